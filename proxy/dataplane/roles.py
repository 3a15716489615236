"""Roles: what the parts of the data plane ask of one another, so that their imports go one way."""

from __future__ import annotations

from typing import Protocol

from proxy.errors import ShuntError
from proxy.http1.request import RequestHead
from proxy.observe.stats import Verdict
from proxy.plan import Outcome, Plan
from proxy.targets import Fleet, Target


class Observer(Protocol):
    """Who is told what happened; called on the hot path, so it only counts."""

    def record(self, outcome: Outcome) -> None:
        """An exchange has ended."""

    def shadow(self, service: str, version: str, verdict: Verdict) -> None:
        """A copy has come to its one end."""

    def eject(self, target: Target) -> None:
        """A target is sent to rest."""

    def accept(self) -> None:
        """A client has connected."""


class ClientUser(Protocol):
    """Who has a client's connection: an exchange or a tunnel."""

    def client_data(self, received: bytes) -> bytes:
        """Take bytes of the client; return those that belong to the next request."""
        ...

    def client_full(self) -> None:
        """The client takes no more for now."""

    def client_ready(self) -> None:
        """The client takes bytes again."""

    def client_ended(self) -> None:
        """The client has sent its last byte."""

    def client_lost(self) -> None:
        """The client is gone."""


class Client(Protocol):
    """The client's connection, as an exchange or a tunnel uses it."""

    peer: str
    scheme: bytes
    introduction: bytes
    """The lines about it that are the same in every request; see `Outgoing.introduction`."""
    is_reading_paused: bool

    def keeps_alive(self, request: RequestHead) -> bool:
        """Whether another request may follow this one here."""
        ...

    def write(self, wire: bytes) -> None:
        """Send bytes, unless the client has gone."""

    def pause_reading(self) -> None:
        """Take no more from the client for now."""

    def resume_reading(self) -> None:
        """Take bytes from the client again."""

    def feed(self, user: ClientUser) -> None:
        """Hand over what has come of the body of a request that could not take it before."""

    def become_tunnel(self, tunnel: ClientUser) -> None:
        """From now on bytes are no requests."""

    def exchange_done(self, now: float, *, keep_alive: bool) -> None:
        """The response is written."""

    def write_eof(self) -> None:
        """Say that no more comes from us."""

    def close(self) -> None:
        """Close once what was written has gone out."""

    def cut(self, *, reset: bool) -> None:
        """Break the connection; with a reset where its end would make an answer look complete."""


class Connected(Protocol):
    """A client's connection, as the plane sees it."""

    def abort(self) -> None:
        """Close now, whatever waits to go out."""


class Tunnelling(Protocol):
    """An upgraded connection, as the plane sees it."""

    target: Target

    def close_within(self, seconds: float) -> None:
        """Close after a grace, whatever moves."""


class Copying(Protocol):
    """A copy for a shadow, as the primary's exchange feeds it."""

    def feed(self, payload: bytes) -> None:
        """A piece of the primary's body."""

    def complete(self, trailers: bytes) -> None:
        """The whole request is here."""

    def primary_ended(self) -> None:
        """The primary is over."""


class Mirroring(Protocol):
    """Who starts copies."""

    def begin(self, request: RequestHead, plan: Plan, about: bytes) -> list[Copying]:
        """The copies that this request starts."""
        ...


class Held:
    """A request on its way or on hold, as others see it; the sweep looks through all of them."""

    __slots__ = ("deadline", "fleet", "is_over", "target")

    deadline: float
    fleet: Fleet | None
    target: Target | None
    is_over: bool
    """Whether it was answered, or its client left."""

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        raise NotImplementedError

    def resume(self) -> None:
        """The hold has ended."""
        raise NotImplementedError


class Holding(Protocol):
    """A hold, as a request meets it."""

    def is_over(self, now: float) -> bool:
        """Whether the hold has ended by itself."""
        ...

    def queue(self, exchange: Held, now: float) -> None:
        """Let a request wait; raises HeldTooLong when too many do already."""


class Exchanging(Protocol):
    """An exchange, as its upload and its download see it."""

    client: Client
    request: RequestHead
    plan: Plan | None
    fleet: Fleet | None
    outcome: Outcome
    copies: list[Copying]

    def fail_upload(self, error: ShuntError) -> None:
        """The body is at fault."""

    def closes_client(self) -> None:
        """The client's connection ends with this response."""

    def finished(self, *, is_reusable: bool) -> None:
        """The response is complete; `is_reusable`: so is what came on the target's connection."""

    def touched(self) -> None:
        """Bytes of the body moved."""

    def broke_off(self) -> None:
        """The answer cannot be completed."""
