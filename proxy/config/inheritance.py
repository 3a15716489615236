"""Inheritance: what a route says about timeouts or headers adds to what its service says, key by key."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

from proxy.config.tree import Branch, Node, branch, items
from proxy.rules import Edits, Headers, Limits, Retries, Route, Service, Timeouts

Section = TypeVar("Section", Timeouts, Retries, Limits)


def merged(service: Service, node: Branch) -> Service:
    """The service with the sections of its routes completed; `node` says which keys were written."""
    if service.timeouts or service.retries or service.limits or service.headers:
        routes = tuple(
            _completed(route, service, written)
            for route, written in zip(service.routes, items(node, "routes"), strict=False)
        )
        return replace(service, routes=routes)
    return service


def _completed(route: Route, service: Service, written: Node) -> Route:
    if not (route.timeouts or route.retries or route.limits or route.headers):
        return route
    return replace(
        route,
        timeouts=_section(service.timeouts, route.timeouts, branch(written, "timeouts")),
        retries=_section(service.retries, route.retries, branch(written, "retries")),
        limits=_section(service.limits, route.limits, branch(written, "limits")),
        headers=_headers(service.headers, route.headers),
    )


def _section(base: Section | None, own: Section | None, written: Branch) -> Section | None:
    if base is None or own is None:
        return own
    return replace(own, **{each.name: getattr(base, each.name) for each in fields(own) if each.name not in written})


def _headers(base: Headers | None, own: Headers | None) -> Headers | None:
    if base is None or own is None:
        return own
    return Headers(request=_edits(base.request, own.request), response=_edits(base.response, own.response))


def _edits(base: Edits, own: Edits) -> Edits:
    return Edits(
        set=_by_name(base.set, own.set),
        add=_by_name(base.add, own.add),
        remove=tuple(dict.fromkeys((*base.remove, *own.remove))),
    )


def _by_name(base: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """The route's value wins, however the name is written."""
    mine = {name.lower() for name in own}
    return {**{name: value for name, value in base.items() if name.lower() not in mine}, **own}
