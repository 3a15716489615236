"""The channel between the brain and a worker: plain values of our own, each in a frame with its length.

Both ends run the same code under the same user; nothing else can reach the socket, so pickle is safe here.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from proxy.analysis.witness import Sighting, Watch
from proxy.errors import ShuntError
from proxy.flags.flagset import Sources
from proxy.rules import Route, Service
from proxy.targets import Address

_LENGTH = struct.Struct("<I")
MAX_FRAME_BYTES = 64 << 20


class BrokenChannel(ShuntError):
    """A frame that cannot be: the other end is not ours any more."""


# --- brain to worker: a table in slices -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlagsGiven:
    """The feature flags of the table that follows; absent while they are those that the worker has."""

    sources: Sources


@dataclass(frozen=True, slots=True)
class TableBegins:
    """A revision is on its way; services that no slice follows for are as the worker has them already."""

    revision: int
    services: tuple[str, ...]
    """All names, in the order of the rules."""
    endpoints: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """The addresses that a target's name has resolved to."""


@dataclass(frozen=True, slots=True)
class ServiceSlice:
    """A service with its first routes."""

    service: Service


@dataclass(frozen=True, slots=True)
class RoutesSlice:
    """More routes of the service whose slice came last."""

    name: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class TableEnds:
    """All slices are there: compile and swap."""

    revision: int


# --- brain to worker: the rest --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serve:
    """The worker's first table is the newest: begin to accept."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The counters of that number have arrived; the worker may forget them."""

    number: int


@dataclass(frozen=True, slots=True)
class SetHealth:
    """A target is up or down, as the active checks found."""

    service: str
    version: str
    address: str
    healthy: bool


@dataclass(frozen=True, slots=True)
class LookFor:
    """Count what happens in these rollouts, and in no others."""

    watches: tuple[Watch, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What was seen up to that number is on the disk; the first on a channel says from where to go on."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseTunnels:
    """The version gets nothing any more: its tunnels end after their grace."""

    service: str
    version: str


@dataclass(frozen=True, slots=True)
class HowManyInFlight:
    """Requests on their way, without tunnels; None means all."""

    service: str
    version: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Let new requests of the service wait, each at most `max_seconds`, the hold itself `for_seconds`."""

    service: str
    max_seconds: float
    for_seconds: float


@dataclass(frozen=True, slots=True)
class Release:
    """Let the held requests go."""

    service: str


Question = HowManyInFlight | Hold | Release


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that is answered by its number."""

    number: int
    question: Question


# --- worker to brain ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first word on a new channel."""

    slot: int
    pid: int
    started: float
    revision: int
    """0: no table yet."""
    is_serving: bool


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Every request from now on is planned by this revision."""

    revision: int
    in_flight: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Refused:
    """The revision could not be compiled; the former one stays in force."""

    revision: int
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to the question of that number: requests in flight, and how many are held."""

    number: int
    in_flight: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What happened since the last time; sent again until it is noted."""

    number: int
    counters: object


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of rollouts; sent again to the next brain until it is kept."""

    number: int
    """Counts this worker's reports, without a gap."""
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """Still here."""

    connections: int = 0


def encode(message: object) -> bytes:
    """The message as one frame."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


def decode(frame: bytes) -> object:
    """The message of a frame that `Frames` cut out."""
    return pickle.loads(frame)


class Frames:
    """Cuts what arrives into frames; holds only the one that is not complete."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Every frame that is complete now; BrokenChannel when one is impossibly long."""
        self._pending += received
        start = 0
        while len(self._pending) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pending, start)
            if length > MAX_FRAME_BYTES:
                raise BrokenChannel(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if len(self._pending) < end:
                break
            yield bytes(self._pending[start + _LENGTH.size : end])
            start = end
        del self._pending[:start]
