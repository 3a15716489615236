"""The shape: what the model's types say may be written, read off them once.

One description serves the long forms, the names of environment variables and the JSON Schemas,
so these can never disagree with the model.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from proxy.conditions import Text
from proxy.rules import Health, Retries, Route, Service, Version
from proxy.settings import Settings
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.progressive import Pause
from proxy.strategies.rolling import Rolling
from proxy.strategies.shadow import Shadow
from proxy.units import Quantity

LEADS: dict[type, str] = {
    Text: "exact",
    Version: "targets",
    Rolling: "version",
    BlueGreen: "active",
    Shadow: "version",
    Health: "path",
    Retries: "attempts",
    Pause: "duration",
}
"""What is no mapping stands for this one of its fields: `v1: http://blog:8080` means `v1: {targets: …}`."""

NAMED_BY_KEY: frozenset[type] = frozenset((Service,))
"""Their `name` is the key that they stand under."""

NEVER_EMPTY = frozenset(("name", "match", "hosts", "versions", "listen", "rules"))
MAY_BE_EMPTY: frozenset[type] = frozenset((Service, Route, Settings))
"""Their sections may be left without a value, as if they were not written: what stood there is commented out.

Nowhere else: an emptied condition would suddenly mean everybody.
"""


@dataclass(slots=True)
class Shape:
    """What may stand in one place."""

    kind: Literal["fields", "names", "list", "value"]
    type: object
    """The dataclass of `fields`, the plain type (or union of such) of a `value`."""
    fields: dict[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    item: Shape | None = None
    """Of `names` and `list`."""
    quantity: Quantity | None = None
    lead: str = ""
    numbers: frozenset[int] = frozenset()
    """The few numbers that a `value` may have."""


_KNOWN: dict[type, Shape] = {}


def shape(hint: object) -> Shape:
    """The shape of a type of the model."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _KNOWN[hint] if hint in _KNOWN else _fields(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments)
    if origin is tuple:
        return Shape("list", hint, item=shape(arguments[0]))
    if origin is dict:
        return Shape("names", hint, item=shape(arguments[1]))
    if origin in (Union, types.UnionType):
        parts = [each for each in arguments if each is not type(None)]
        return shape(parts[0]) if len(parts) == 1 else Shape("value", Union[tuple(parts)])  # noqa: UP007
    numbers = frozenset(each for each in arguments if isinstance(each, int)) if origin is Literal else frozenset()
    return Shape("value", hint, numbers=numbers)


def _annotated(arguments: tuple[object, ...]) -> Shape:
    hint, *notes = arguments
    inner = shape(hint)
    for note in notes:
        if isinstance(note, Quantity):
            return Shape("value", hint, quantity=note)
    return inner


def _fields(model: type) -> Shape:
    # Known before its fields are: conditions contain conditions.
    found = _KNOWN[model] = Shape("fields", model, lead=LEADS.get(model, ""))
    hints = get_type_hints(model, include_extras=True)
    named = [each for each in fields(model) if not (each.name == "name" and model in NAMED_BY_KEY)]
    found.fields = {each.name.rstrip("_"): shape(hints[each.name]) for each in named}
    found.required = frozenset(
        each.name for each in named if each.default is MISSING and each.default_factory is MISSING
    )
    return found
