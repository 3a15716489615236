"""Who got how much, how fast and how well: counters since the start, for whoever draws the differences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from proxy.observe import stats
from proxy.observe.stats import Row
from proxy.observe.totals import Snapshot

Name = tuple[str, str]
"""Service and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTraffic:
    """Counted since the brain began, by the version drawn."""

    service: str
    version: str
    requests: int
    errors: int
    """Answers of 5xx."""
    in_flight: int
    seconds_sum: float
    buckets: tuple[int, ...]
    """Requests by duration, not cumulated; one more than there are bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    revision: int
    bounds_seconds: tuple[float, ...]
    connections: int
    held: dict[str, int]
    versions: tuple[VersionTraffic, ...]


def traffic(revision: int, totals: Snapshot) -> Traffic:
    """The totals by service and version; redirects, for which nobody is drawn, are no version's."""
    drawn_ones = {(service, drawn) for service, _, drawn, _ in totals.requests if drawn}
    names = sorted({*totals.versions, *drawn_ones})
    statuses: dict[Name, Row] = {name: [0.0] * stats.STATUSES for name in names}
    for (service, _, drawn, _), row in totals.requests.items():
        if drawn:
            statuses[service, drawn] = stats.add_rows(statuses[service, drawn], row)
    durations: dict[Name, Row] = {name: [0.0] * (len(stats.BOUNDS) + 2) for name in names}
    start = stats.DURATION - stats.BYTES_IN
    for (service, _, drawn), row in totals.routes.items():
        histogram = row[start : start + len(stats.BOUNDS) + 2]
        durations[service, drawn] = stats.add_rows(durations.get((service, drawn), [0.0] * len(histogram)), histogram)
    in_flight: Counter[Name] = Counter()
    for (service, version, _), requests in totals.in_flight.items():
        in_flight[service, version] += requests
    return Traffic(
        revision=revision,
        bounds_seconds=stats.BOUNDS,
        connections=totals.connections,
        held=dict(totals.held),
        versions=tuple(_version(name, statuses[name], durations[name], in_flight[name]) for name in names),
    )


def _version(name: Name, statuses: Row, duration: Row, in_flight: int) -> VersionTraffic:
    return VersionTraffic(
        service=name[0],
        version=name[1],
        requests=int(sum(statuses)),
        errors=int(statuses[5]),
        in_flight=in_flight,
        seconds_sum=duration[0],
        buckets=tuple(int(count) for count in duration[1:]),
    )
