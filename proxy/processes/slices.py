"""Tables travel in slices so small that a worker never stops serving to take one in.

Pure, both directions: the brain cuts, the worker puts together, and what did not change is not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from proxy.processes.channel import RoutesSlice, ServiceSlice, TableBegins, TableEnds
from proxy.rules import Route, Rules, Service
from proxy.targets import Address

ROUTES_PER_SLICE = 64
"""Unpickling a route takes about 12 µs."""

Slice = TableBegins | ServiceSlice | RoutesSlice | TableEnds


def cut(
    revision: int, rules: Rules, known: Rules | None = None, endpoints: Mapping[str, tuple[Address, ...]] | None = None
) -> Iterator[Slice]:
    """The messages that turn a worker's `known` rules into these; None: it has none, or nobody knows which."""
    yield TableBegins(revision, tuple(rules.services), endpoints or {})
    for name, service in rules.services.items():
        old = known.services.get(name) if known else None
        if old is not service and old != service:
            yield from _cut_service(service)
    yield TableEnds(revision)


def _cut_service(service: Service) -> Iterator[Slice]:
    first, more = service.routes[:ROUTES_PER_SLICE], service.routes[ROUTES_PER_SLICE:]
    yield ServiceSlice(replace(service, routes=first) if more else service)
    for start in range(0, len(more), ROUTES_PER_SLICE):
        yield RoutesSlice(service.name, more[start : start + ROUTES_PER_SLICE])


class Assembly:
    """Puts slices together again. A service that came unchanged is the former object, so it need not be compiled."""

    __slots__ = ("_begun", "_parts", "rules")

    def __init__(self) -> None:
        self.rules = Rules()
        """The last complete rules."""
        self._begun: TableBegins | None = None
        self._parts: dict[str, tuple[Service, list[Route]]] = {}

    def add(self, piece: TableBegins | ServiceSlice | RoutesSlice) -> None:
        """Take one slice in."""
        match piece:
            case TableBegins():
                self._begun = piece
                self._parts = {}
            case ServiceSlice(service):
                self._parts[service.name] = (service, [])
                self._keep_former(service.name, service.routes)
            case RoutesSlice(name, routes):
                self._keep_former(name, routes)

    def complete(self, ends: TableEnds) -> TableBegins:
        """The last slice: `rules` are whole now. KeyError when a service was never sent."""
        assert self._begun is not None
        assert self._begun.revision == ends.revision
        self.rules = Rules(services={name: self._service(name) for name in self._begun.services})
        self._parts = {}
        return self._begun

    def _keep_former(self, name: str, routes: tuple[Route, ...]) -> None:
        """Routes equal to those at the same place before are the same objects: comparing them later is free."""
        collected = self._parts[name][1]
        former = self.rules.services.get(name)
        before = former.routes[len(collected) : len(collected) + len(routes)] if former else ()
        collected.extend(before if before == routes else routes)

    def _service(self, name: str) -> Service:
        former = self.rules.services.get(name)
        if name not in self._parts:
            return self.rules.services[name]
        service, routes = self._parts[name]
        new = replace(service, routes=tuple(routes))
        return former if former is not None and former == new else new
