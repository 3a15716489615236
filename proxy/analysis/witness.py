"""The worker's part: what was drawn, and how the first try went. Half a microsecond per response.

Requests drawn on their own are summed. Where the split is sticky, people are what is drawn: each identity's
first error and first latency per weight go to the judge as items, which removes the doubles of all workers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from proxy.analysis.histogram import BUCKETS, EDGES, sparse
from proxy.plan import Lane, Outcome

ALL_HASHES = 1 << 64
MAX_ITEMS = 10_000
"""Items between two deltas; what comes beyond is counted as lost."""
MAX_HEARD = 50_000
"""Identities remembered per weight, only to send fewer doubles."""
MAX_STRATA = 16
MAX_LANES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a worker looks for: one rollout of a service or route. Comes from the brain with every step."""

    service: str
    route: str = ""
    release: str
    stable: str
    candidate: str
    latency_tolerance: float = 0.10
    is_timing: bool = True
    """As the judge says; when it changes, every identity is heard again."""
    accepted: int = ALL_HASHES
    """Only identities whose hash lies below are sent."""
    apart: tuple[str, ...] = ()
    """Routes of the service that choose for themselves; all others follow the service."""


class Item(NamedTuple):
    """One identity's first event under a weight."""

    identity: int
    """64 bits, independent of the bucket's order."""
    is_candidate: bool
    event: int
    """ERROR, the bucket of a latency, or WAITED plus the bucket of a wait without a first byte."""


ERROR = -1
WAITED = BUCKETS


class ArmCounts(NamedTuple):
    """What one arm did since the last delta."""

    requests: int
    """All that count, sticky or not."""
    failed: int
    drawn: int
    """Of those, drawn on their own."""
    drawn_failed: int
    samples: dict[int, int]
    """First bytes of those drawn on their own, by bucket; the candidate's shortened by the tolerance."""
    waited: dict[int, int]
    """Those that ended without a first byte, by the bucket of their wait."""


class Sighting(NamedTuple):
    """All that one worker saw of one rollout under one weight since it last said."""

    service: str
    route: str
    release: str
    weight: float
    stable: ArmCounts
    candidate: ArmCounts
    past: dict[int, int]
    """Sticky splits: the latency of stable's answers, for the thresholds only."""
    items: tuple[Item, ...] = ()
    lost: int = 0


def mixed(bucket: int) -> int:
    """64 bits of an identity's bucket in which nothing of its order is left (splitmix64's finaliser)."""
    state = (bucket + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return state ^ (state >> 31)


class _Arm:
    """Counters of one arm under one weight."""

    __slots__ = ("drawn", "drawn_failed", "failed", "is_candidate", "requests", "samples", "shortened", "waited")

    def __init__(self, tolerance: float | None = None) -> None:
        self.is_candidate = tolerance is not None
        self.shortened = 1 / (1 + (tolerance or 0.0))
        self.clear()

    def clear(self) -> None:
        self.requests = self.failed = self.drawn = self.drawn_failed = 0
        self.samples = [0] * BUCKETS
        self.waited: dict[int, int] = {}

    def counts(self) -> ArmCounts:
        return ArmCounts(
            self.requests, self.failed, self.drawn, self.drawn_failed, sparse(self.samples), dict(self.waited)
        )


class _Stratum:
    """Both arms under one weight, and which identities were already reported there."""

    __slots__ = ("candidate", "erred", "heard", "items", "lost", "past", "stable", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.stable = _Arm()
        self.candidate = _Arm(watch.latency_tolerance)
        self.heard: set[int] = set()
        self.erred: set[int] = set()
        self.clear()

    def clear(self) -> None:
        self.past = [0] * BUCKETS
        self.items: list[Item] = []
        self.lost = 0

    def report(self, bucket: int, once: set[int], event: int, *, is_candidate: bool) -> None:
        """Send an identity's first event, unless it is outside the accepted range or there is no room."""
        if len(once) >= MAX_HEARD:
            once.clear()
        identity = mixed(bucket)
        if identity < self.watch.accepted:
            if len(self.items) >= MAX_ITEMS:
                self.lost += 1
                return
            self.items.append(Item(identity, is_candidate, event))
        once.add(bucket)


class _Stand:
    """The strata of one watched rollout."""

    __slots__ = ("strata", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.strata: dict[float, _Stratum] = {}

    def stratum(self, weight: float) -> _Stratum:
        """The counters under that weight, made on first use."""
        made = self.strata[weight] = _Stratum(self.watch)
        return made


class Witness:
    """All that one worker saw of the rollouts it was told to watch. Nothing in it waits or grows without bound."""

    __slots__ = ("_lanes", "_stands")

    def __init__(self) -> None:
        self._stands: dict[tuple[str, str], _Stand] = {}
        self._lanes: dict[Lane, _Stand | None] = {}

    def watch(self, watches: Iterable[Watch]) -> list[Sighting]:
        """Look for these from now on, and hand out what was seen of rollouts that changed or ended."""
        wanted = {(watch.service, watch.route): watch for watch in watches}
        gone = [key for key, stand in self._stands.items() if wanted.get(key) != stand.watch]
        last = [sighting for key in gone for sighting in _sightings(self._stands.pop(key))]
        for key, watch in wanted.items():
            self._stands.setdefault(key, _Stand(watch))
        self._lanes.clear()
        return last

    def seen(self, outcome: Outcome) -> bool:
        """Count one exchange; whether the judge should hear of it at once, for the candidate failed."""
        plan = outcome.plan
        if plan is None or not self._stands:
            return False
        version, _reason, randomised, weight, bucket = plan.choice
        if not randomised:
            return False
        lane = plan.lane
        stand = self._lanes[lane] if lane in self._lanes else self._find(lane)
        if stand is None:
            return False
        stratum = stand.strata.get(weight) or stand.stratum(weight)
        if version == stand.watch.candidate:
            arm = stratum.candidate
        elif version == stand.watch.stable:
            arm = stratum.stable
        else:
            return False
        if bucket is not None:
            return plan.minted is None and _seen_identity(stratum, arm, bucket, outcome)
        arm.requests += 1
        arm.drawn += 1
        first_byte = outcome.first_byte
        if first_byte >= 0.0:
            arm.samples[bisect_left(EDGES, first_byte * arm.shortened)] += 1
        elif (waited := _waited(outcome, arm.shortened)) is not None:
            arm.waited[waited] = arm.waited.get(waited, 0) + 1
        if outcome.drawn_failure:
            arm.failed += 1
            arm.drawn_failed += 1
            return arm.is_candidate
        return False

    def delta(self) -> list[Sighting]:
        """What was seen since the last call, as plain values."""
        return [sighting for stand in self._stands.values() for sighting in _sightings(stand)]

    def _find(self, lane: Lane) -> _Stand | None:
        if len(self._lanes) >= MAX_LANES:
            self._lanes.clear()
        found = self._stands.get((lane.service, lane.route)) or self._stands.get((lane.service, ""))
        if found is not None and found.watch.route != lane.route and lane.route in found.watch.apart:
            found = None
        self._lanes[lane] = found
        return found


def _seen_identity(stratum: _Stratum, arm: _Arm, bucket: int, outcome: Outcome) -> bool:
    """Count one exchange of somebody known; an identity minted on its request does not count."""
    arm.requests += 1
    first_byte = outcome.first_byte
    if first_byte >= 0.0:
        latency = bisect_left(EDGES, first_byte * arm.shortened)
        if not arm.is_candidate:
            stratum.past[latency] += 1
        if bucket not in stratum.heard:
            stratum.report(bucket, stratum.heard, latency, is_candidate=arm.is_candidate)
    elif bucket not in stratum.heard and (waited := _waited(outcome, arm.shortened)) is not None:
        stratum.report(bucket, stratum.heard, WAITED + waited, is_candidate=arm.is_candidate)
    if outcome.drawn_failure:
        arm.failed += 1
        if bucket not in stratum.erred:
            stratum.report(bucket, stratum.erred, ERROR, is_candidate=arm.is_candidate)
        return arm.is_candidate
    return False


def _waited(outcome: Outcome, shortened: float) -> int | None:
    """The bucket of a first try's wait that ended without a first byte, by the client or the clock; else None.

    It counts as slow for every threshold that had passed, whoever lost patience.
    """
    is_wait = outcome.cause == "aborted" or outcome.drawn_failure == "timeout"
    if not is_wait or outcome.tries != 1 or outcome.upstream < 0.0:
        return None
    return bisect_left(EDGES, outcome.upstream * shortened)


def _sightings(stand: _Stand) -> list[Sighting]:
    """What a stand saw, after which it has seen nothing."""
    found = []
    for weight, stratum in stand.strata.items():
        if not (stratum.stable.requests or stratum.candidate.requests or stratum.lost):
            continue
        watch, stable, candidate = stand.watch, stratum.stable, stratum.candidate
        found.append(
            Sighting(
                watch.service,
                watch.route,
                watch.release,
                weight,
                stable.counts(),
                candidate.counts(),
                sparse(stratum.past),
                tuple(stratum.items),
                stratum.lost,
            )
        )
        stable.clear()
        candidate.clear()
        stratum.clear()
    if len(stand.strata) > MAX_STRATA:
        stand.strata.clear()
    return found
