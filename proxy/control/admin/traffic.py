"""Who got how much, how fast and how well: counters since the start, for whoever draws the differences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from proxy.observe import stats
from proxy.observe.stats import Row
from proxy.observe.totals import Snapshot


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
    """The totals by service and version."""
    rows: dict[tuple[str, str], Row] = {name: [0.0] * stats.WIDTH for name in totals.versions}
    for (service, _, drawn, _), row in totals.requests.items():
        known = rows.setdefault((service, drawn), [0.0] * stats.WIDTH)
        known[: stats.STATUSES] = [old + new for old, new in zip(known, row[: stats.STATUSES], strict=False)]
    for (service, _, drawn), row in totals.routes.items():
        known = rows.setdefault((service, drawn), [0.0] * stats.WIDTH)
        tail = known[stats.RETRIES :]
        known[stats.RETRIES :] = [old + new for old, new in zip(tail, row, strict=False)] + tail[len(row) :]
    in_flight: dict[tuple[str, str], int] = defaultdict(int)
    for (service, version, _), requests in totals.in_flight.items():
        in_flight[service, version] += requests
    return Traffic(
        revision=revision,
        bounds_seconds=stats.BOUNDS,
        connections=totals.connections,
        held=dict(totals.held),
        versions=tuple(_version(name, row, in_flight[name]) for name, row in sorted(rows.items())),
    )


def _version(name: tuple[str, str], row: Row, in_flight: int) -> VersionTraffic:
    return VersionTraffic(
        service=name[0],
        version=name[1],
        requests=int(sum(row[: stats.STATUSES])),
        errors=int(row[5]),
        in_flight=in_flight,
        seconds_sum=row[stats.DURATION_SUM],
        buckets=tuple(int(count) for count in row[stats.DURATION : stats.UPSTREAM_SUM]),
    )
