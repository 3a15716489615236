"""JsonLogic's loops: a body that looks at one item after the other instead of the context."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from proxy.flags.logic import truthy
from proxy.flags.rule import Rule


class Loop(NamedTuple):
    """How a loop is made of its items, its body and, for `reduce`, its start."""

    make: Callable[[Rule, Rule, object], Rule]
    operands: int
    too_few: object
    """What it says with fewer operands."""


def _filter(items: Rule, body: Rule, start: object) -> Rule:
    return lambda scope: [item for item in _list(items(scope)) if truthy(body(item))]


def _map(items: Rule, body: Rule, start: object) -> Rule:
    return lambda scope: [body(item) for item in _list(items(scope))]


def _reduce(items: Rule, body: Rule, start: object) -> Rule:
    def reduce(scope: object) -> object:
        accumulator = start
        for item in _list(items(scope)):
            accumulator = body({"accumulator": accumulator, "current": item})
        return accumulator

    return reduce


def _all(items: Rule, body: Rule, start: object) -> Rule:
    def every(scope: object) -> object:
        found = _list(items(scope))
        # JsonLogic: `all` of nothing is false.
        return bool(found) and all(truthy(body(item)) for item in found)

    return every


def _some(items: Rule, body: Rule, start: object) -> Rule:
    return lambda scope: any(truthy(body(item)) for item in _list(items(scope)))


def _none(items: Rule, body: Rule, start: object) -> Rule:
    return lambda scope: not any(truthy(body(item)) for item in _list(items(scope)))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


LOOPS = {
    "filter": Loop(_filter, 2, []),
    "map": Loop(_map, 1, []),
    "reduce": Loop(_reduce, 1, None),
    "all": Loop(_all, 2, too_few=False),
    "some": Loop(_some, 2, too_few=False),
    "none": Loop(_none, 2, too_few=True),
}
