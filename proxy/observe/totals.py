"""Totals: what all workers have counted since the brain began, the dead ones included."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from proxy.observe.stats import (
    BYTES_IN,
    PROXY,
    STATUSES,
    UPSTREAM,
    Counts,
    Delta,
    Name,
    Row,
    Series,
    TargetName,
    add_rows,
)
from proxy.rules import Rules

Value = TypeVar("Value")

LINGER_SECONDS = 600.0
"""How long a series that the rules no longer name stays after it last moved: several scrapes."""
MOST_TARGETS = 10_000
"""Addresses come from DNS, not from the rules, so they alone need a bound of their own."""


class Names(NamedTuple):
    """Everything that may become a label, as the rules write it."""

    services: frozenset[str] = frozenset()
    versions: frozenset[tuple[str, str]] = frozenset()
    routes: frozenset[tuple[str, str]] = frozenset()
    targets: frozenset[TargetName] = frozenset()
    shadows: frozenset[tuple[str, str]] = frozenset()
    """The versions that hear copies."""

    @classmethod
    def of(cls, rules: Rules) -> Names:
        """The names of these rules; a service's own strategy is its route ""."""
        services = rules.services.values()
        return cls(
            frozenset(s.name for s in services),
            frozenset((s.name, version) for s in services for version in s.versions),
            frozenset((s.name, route) for s in services for route in ("", *(route.name for route in s.routes))),
            frozenset((s.name, name, text) for s in services for name, v in s.versions.items() for text in v.targets),
            frozenset((s.name, heard.version) for s in services for p in (s, *s.routes) for heard in p.shadow or ()),
        )


class Snapshot(NamedTuple):
    """The totals at one moment; shares nothing that changes, so another thread may read it."""

    requests: Mapping[Series, Row]
    """Status classes by service, route, version drawn and version that answered."""
    routes: Mapping[tuple[str, str, str], Row]
    """The part of a row from `stats.BYTES_IN` on, by service, route and version drawn."""
    upstream: Mapping[tuple[str, str], Row]
    """The histogram of upstream time, by service and version that answered."""
    services: Mapping[str, Row]
    """The histogram of the proxy's own time, by service."""
    targets: Mapping[TargetName, Row]
    """Status classes by target."""
    counts: Counts
    in_flight: Mapping[TargetName, int]
    connections: int
    held: Mapping[str, int]
    versions: Collection[tuple[str, str]]
    """Every (service, version) that the rules name, asked for or not."""
    shadows: Collection[tuple[str, str]]
    """Those of them that hear copies."""


class _Standing(NamedTuple):
    """One worker's gauges, as its last delta showed them."""

    in_flight: Mapping[TargetName, int]
    connections: int
    held: Mapping[str, int]


class _Book(Generic[Name, Value]):
    """Sums by name, and when each last moved."""

    def __init__(self, add: Callable[[Value, Value], Value]) -> None:
        self.sums: dict[Name, Value] = {}
        self._add = add
        self._moved: set[Name] = set()
        self._moved_at: dict[Name, float] = {}

    def add(self, name: Name, value: Value) -> None:
        there = self.sums.get(name)
        self.sums[name] = value if there is None else self._add(there, value)
        self._moved.add(name)

    def sweep(self, is_named: Callable[[Name], bool], now: float, most: int | None = None) -> None:
        self._moved_at.update(dict.fromkeys(self._moved, now))
        self._moved.clear()
        stale = [n for n, moved in self._moved_at.items() if moved <= now - LINGER_SECONDS and not is_named(n)]
        for name in stale:
            self._drop(name)
        if most is not None and len(self.sums) > most:
            for name in sorted(self.sums, key=self._moved_at.__getitem__)[: len(self.sums) - most]:
                self._drop(name)

    def _drop(self, name: Name) -> None:
        del self.sums[name], self._moved_at[name]


class Totals:
    """The sums of all deltas. Rows are replaced and never edited, so a snapshot is a shallow copy."""

    def __init__(self) -> None:
        self._names = Names()
        # Each metric has a book of its own: a sum over series would shrink, and look like a restart, when one goes.
        self._requests: _Book[Series, Row] = _Book(add_rows)
        self._routes: _Book[tuple[str, str, str], Row] = _Book(add_rows)
        self._upstream: _Book[tuple[str, str], Row] = _Book(add_rows)
        self._services: _Book[str, Row] = _Book(add_rows)
        self._targets: _Book[TargetName, Row] = _Book(add_rows)
        self._counts: _Book[tuple[str, ...], int] = _Book(operator.add)
        self._standing: dict[int, _Standing] = {}

    def add(self, worker: int, delta: Delta) -> None:
        """Add what the worker in this slot has counted, and let its gauges replace those it sent before."""
        for (service, route, version, answered_by), row in delta.requests.items():
            self._requests.add((service, route, version, answered_by), row[:STATUSES])
            self._routes.add((service, route, version), row[BYTES_IN:UPSTREAM])
            if answered_by:
                self._upstream.add((service, answered_by), row[UPSTREAM:PROXY])
            self._services.add(service, row[PROXY:])
        for target, answers in delta.targets.items():
            self._targets.add(target, answers)
        for key, count in delta.counts.items():
            self._counts.add(key, count)
        self._standing[worker] = _Standing(delta.in_flight, delta.connections, delta.held)

    def leave(self, worker: int) -> None:
        """Forget the gauges of a worker that is gone; what it counted stays."""
        self._standing.pop(worker, None)

    def use(self, names: Names) -> None:
        """Take the names of new rules: only series that they do not name can be swept away."""
        self._names = names

    def sweep(self, now: float) -> None:
        """Drop the series that the rules no longer name and that have not moved for a while; call it once a minute."""
        self._requests.sweep(self._names_series, now)
        self._routes.sweep(lambda key: self._names_series((*key, "")), now)
        self._upstream.sweep(self._names.versions.__contains__, now)
        self._services.sweep(self._names.services.__contains__, now)
        self._targets.sweep(self._names.targets.__contains__, now, MOST_TARGETS)
        self._counts.sweep(self._names_count, now)

    def snapshot(self) -> Snapshot:
        """The totals as they are now."""
        standing = self._standing.values()
        return Snapshot(
            dict(self._requests.sums),
            dict(self._routes.sums),
            dict(self._upstream.sums),
            dict(self._services.sums),
            dict(self._targets.sums),
            dict(self._counts.sums),
            _sum(worker.in_flight for worker in standing),
            sum(worker.connections for worker in standing),
            _sum(worker.held for worker in standing),
            self._names.versions,
            self._names.shadows,
        )

    def _names_series(self, series: Series) -> bool:
        service, route, version, answered_by = series
        versions, routes = self._names.versions, self._names.routes
        return (
            (not version or (service, version) in versions)
            and (service, route) in routes
            and (not answered_by or (service, answered_by) in versions)
        )

    def _names_count(self, key: tuple[str, ...]) -> bool:
        match key:
            case ("ejection", service, version, target):
                return (service, version, target) in self._names.targets
            case (_, service, version, *_):
                return (service, version) in self._names.versions
        return True


def _sum(counts: Iterable[Mapping[Name, int]]) -> dict[Name, int]:
    total: dict[Name, int] = {}
    for by_name in counts:
        for name, count in by_name.items():
            total[name] = total.get(name, 0) + count
    return total
