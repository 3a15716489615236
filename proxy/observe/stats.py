"""Statistics: every request adds to one row of plain numbers, and a row is all that ever travels.

A worker counts here, without locks, clock or library; a few times a second `Stats.delta` takes what has
gathered, and the brain adds it up in `proxy.observe.totals`. The books are emptied with every delta, so
nothing of a former table is kept alive, and the same names simply meet again in the totals.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from operator import sub
from typing import Literal, NamedTuple, TypeVar

from proxy.plan import Lane, Outcome, Plan
from proxy.targets import Fleet, Target

BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the buckets of request and upstream time, in seconds; one more bucket has none."""
PROXY_BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0)
"""The same for the time that is not the target's."""

# Where each number stands in a row. Two rows are merged by adding them up. A histogram is its sum, then its buckets.
STATUSES = 10
"""A row begins with the status classes, by `status // 100`; 0 for a client that left before any status."""
BYTES_IN, BYTES_OUT, DURATION = range(STATUSES, STATUSES + 3)
UPSTREAM = DURATION + len(BOUNDS) + 2
PROXY = UPSTREAM + len(BOUNDS) + 2
WIDTH = PROXY + len(PROXY_BOUNDS) + 2

_MOST_SAMPLES = 4096
"""How many numbers of one kind of request may wait to be put into their row: bounded while the brain is away."""

Name = TypeVar("Name")
Row = list[float]
Series = tuple[str, str, str, str]
"""Service, route, version drawn, version that answered ("" when the proxy answered itself)."""
TargetName = tuple[str, str, str]
"""Service, version, address."""
Kind = tuple[Lane, Fleet, Target | None, int]
"""What requests with a common row have in common: lane, version drawn, target that answered whole, status."""
Counts = dict[tuple[str, ...], int]
"""Rarer things: the first word says what was counted, the others for whom."""

Verdict = Literal[
    "skipped_method",
    "skipped_size",
    "skipped_upgrade",
    "skipped_sampled",
    "skipped_aborted",
    "dropped_in_flight",
    "dropped_bytes",
    "dropped_shed",
    "answered",
    "failed_connect",
    "failed_reset",
    "failed_timeout",
]
"""How a shadow's copy of one eligible request ended: in exactly one of these."""

NEVER_ASKED = frozenset({"no_target", "overloaded"})
"""Failures of a draw before the drawn version was asked: whoever answers then is a stand-in, not a rescuer."""


class Delta(NamedTuple):
    """What happened since the last one, and how things stand now; built-in types all the way down."""

    requests: dict[Series, Row]
    targets: dict[TargetName, Row]
    """Answers by target: ten status classes."""
    counts: Counts
    in_flight: dict[TargetName, int]
    """Only targets with requests on their way."""
    connections: int
    held: dict[str, int]
    """Requests that wait on hold, by service."""


def _none() -> int:
    return 0


class Gauges(NamedTuple):
    """What is not counted but looked at, whenever a delta is made."""

    connections: Callable[[], int] = _none
    held: Callable[[], Mapping[str, int]] = dict
    targets: Callable[[], Iterable[Target]] = tuple


class Stats:
    """One worker's books. Only the few numbers of a request are noted while it is served; they become a row later."""

    __slots__ = ("_counts", "_gauges", "_rows", "_samples", "_targets", "_undelivered")

    def __init__(self, gauges: Gauges | None = None) -> None:
        self._gauges = gauges or Gauges()
        # Lanes, fleets and targets are compared by identity: one look-up instead of five names.
        self._samples: dict[Kind, list[float]] = {}
        self._rows: dict[Series, Row] = {}
        self._targets: dict[TargetName, Row] = {}
        self._counts: Counts = {}
        self._undelivered: Delta | None = None

    def record(self, outcome: Outcome) -> None:
        """Count one exchange. A tunnel counts as a request and by its bytes; its length is no latency."""
        plan = outcome.plan
        if plan is None:
            self._count("refused", outcome.cause)
            return
        cause = outcome.cause
        kind = (plan.lane, plan.fleet, None if cause else outcome.target, outcome.status)
        try:
            samples = self._samples[kind]
        except KeyError:
            samples = self._samples[kind] = []
        samples += (outcome.duration, outcome.upstream, outcome.bytes_in, outcome.bytes_out)
        if cause or outcome.tries > 1 or outcome.drawn_failure:
            self._record_trouble(plan, outcome)
        if len(samples) > _MOST_SAMPLES:
            self._enter(kind, self._samples.pop(kind))

    def _record_trouble(self, plan: Plan, outcome: Outcome) -> None:
        service, version = plan.fleet.service, plan.fleet.version
        if outcome.drawn_failure:
            self._count("failed_draw", service, version, outcome.drawn_failure)
        if outcome.cause:
            self._count("error", service, version, outcome.cause)
        rescued = was_rescued(plan, outcome)
        if rescued:
            self._count("rescue", service, version)
        elif outcome.answered_by not in ("", version):
            self._count("failover", service, version)
        if outcome.tries - rescued > 1:
            self._count("retry", service, version, times=outcome.tries - rescued - 1)

    def shadow(self, service: str, version: str, verdict: Verdict) -> None:
        """Count how the copy of one eligible request ended."""
        self._count("shadow", service, version, verdict)

    def eject(self, target: Target) -> None:
        """Count a target that is sent to rest for its failures."""
        self._count("ejection", target.service, target.version, str(target.address))

    def accept(self) -> None:
        """Count a client's connection."""
        self._count("connection")

    def lose_log_lines(self, lines: int) -> None:
        """Count lines of the access log that nobody will read."""
        self._count("log_lost", times=lines)

    def delta(self) -> Delta:
        """All that was counted since the last call, with what `restore` gave back, and the gauges as they are."""
        samples, self._samples = self._samples, {}
        for kind, numbers in samples.items():
            self._enter(kind, numbers)
        requests, self._rows = self._rows, {}
        answers, self._targets = self._targets, {}
        counts, self._counts = self._counts, {}
        undelivered, self._undelivered = self._undelivered, None
        gauges = self._gauges
        fresh = Delta(requests, answers, counts, _in_flight(gauges.targets()), gauges.connections(), {**gauges.held()})
        if undelivered is not None:
            merge(fresh, undelivered)
        return fresh

    def restore(self, delta: Delta) -> None:
        """Take back a delta that did not reach the brain; the next one carries it again."""
        if self._undelivered is None:
            self._undelivered = delta
        else:
            merge(self._undelivered, delta)

    def _count(self, *key: str, times: int = 1) -> None:
        self._counts[key] = self._counts.get(key, 0) + times

    def _enter(self, kind: Kind, samples: list[float]) -> None:
        """Put what was noted of one kind of request into its row."""
        lane, fleet, target, status = kind
        classes = [0.0] * STATUSES
        classes[status // 100] = len(samples) // 4
        durations, upstream, own = times_of(samples, answered=target is not None) if status != 101 else ([], [], [])
        row = [
            *classes,
            sum(samples[2::4]),
            sum(samples[3::4]),
            *histogram(durations, BOUNDS),
            *histogram(upstream, BOUNDS),
            *histogram(own, PROXY_BOUNDS),
        ]
        answered_by = target.version if target is not None else ""
        drawn = "" if lane.redirect is not None else fleet.version  # nobody is drawn for a redirect
        add_row(self._rows, (lane.service, lane.route, drawn, answered_by), row)
        if target is not None:
            add_row(self._targets, (target.service, target.version, str(target.address)), classes)


def times_of(samples: list[float], *, answered: bool) -> tuple[list[float], list[float], list[float]]:
    """Whole durations, those of targets, and what is left of each for ourselves."""
    durations, upstream = samples[0::4], samples[1::4]
    if answered:
        return durations, upstream, [*map(sub, durations, upstream)]
    asked = [time for time in upstream if time >= 0.0]
    return durations, asked, [whole - max(part, 0.0) for whole, part in zip(durations, upstream, strict=True)]


def histogram(times: list[float], bounds: tuple[float, ...]) -> list[float]:
    """The sum of the times, then how many lie in each bucket: above the bound before it, up to its own."""
    times.sort()
    below = [0, *(bisect_right(times, bound) for bound in bounds), len(times)]
    # A sum that shrinks would look like a restart to Prometheus, so a clock's rounding must not show.
    return [max(sum(times), 0.0), *(upper - lower for lower, upper in pairwise(below))]


def was_rescued(plan: Plan, outcome: Outcome) -> bool:
    """Whether stable answered because the drawn candidate had been asked and failed."""
    return (
        plan.rescuer is not None
        and outcome.answered_by == plan.rescuer.version != plan.fleet.version
        and outcome.drawn_failure not in NEVER_ASKED
    )


def merge(into: Delta, more: Delta) -> None:
    """Add the counted part of `more` to `into`; the gauges stay those of `into`."""
    for series, row in more.requests.items():
        add_row(into.requests, series, row)
    for target, row in more.targets.items():
        add_row(into.targets, target, row)
    for key, count in more.counts.items():
        into.counts[key] = into.counts.get(key, 0) + count


def add_row(rows: dict[Name, Row], name: Name, row: Row) -> None:
    """Add a row to the one of that name, which is made if it is not there."""
    there = rows.get(name)
    rows[name] = row if there is None else add_rows(there, row)


def add_rows(one: Row, other: Row) -> Row:
    """The sum of two rows, as a new one."""
    return [a + b for a, b in zip(one, other, strict=True)]


def _in_flight(targets: Iterable[Target]) -> dict[TargetName, int]:
    return {(t.service, t.version, str(t.address)): t.in_flight for t in targets if t.in_flight}
