"""JSON Schemas of both files, for editors: they accept what the loader accepts, short forms included."""

from __future__ import annotations

import types
from typing import Literal, Union, get_args, get_origin

from proxy.config.shape import MAY_BE_EMPTY, NEVER_EMPTY, Shape, shape
from proxy.rules import Service
from proxy.settings import Settings

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: Literal["rules", "settings"]) -> dict[str, Json]:
    """The JSON Schema of `rules.yaml` or of `shunt.yaml`."""
    found: dict[str, Json] = {"$schema": DIALECT, "title": f"Shunt: {name}", "type": "object"}
    definitions: dict[str, Json] = {}
    if name == "settings":
        found |= _object(shape(Settings), definitions)
    else:
        services: Json = {"type": ["object", "null"], "additionalProperties": _place(shape(Service), definitions)}
        found["properties"] = {"services": services}
        found["required"] = ["services"]
        found["additionalProperties"] = False
    found["$defs"] = definitions
    return found


def _place(of: Shape, definitions: dict[str, Json]) -> Json:
    """What may stand in a place of this shape."""
    if of.kind == "fields":
        return {"$ref": f"#/$defs/{_define(of, definitions)}"}
    if of.kind == "value":
        return _quantity(of.quantity.pattern) if of.quantity is not None else _value(of.type)
    inner: Json = _place(of.item, definitions) if of.item is not None else {}
    if of.kind == "names":
        return {"type": "object", "additionalProperties": inner}
    return {"anyOf": [{"type": "array", "items": inner}, inner]}


def _define(of: Shape, definitions: dict[str, Json]) -> str:
    """The name of a dataclass's definition, made on first use."""
    name = of.type.__name__ if isinstance(of.type, type) else ""
    if name not in definitions:
        definitions[name] = {}  # conditions contain conditions
        whole = _object(of, definitions)
        if of.lead:
            definitions[name] = {"anyOf": [whole, _place(of.fields[of.lead], definitions)]}
        else:
            definitions[name] = whole
    return name


def _object(of: Shape, definitions: dict[str, Json]) -> dict[str, Json]:
    properties: dict[str, Json] = {}
    for key, inner in of.fields.items():
        place = _place(inner, definitions)
        may_be_empty = of.type in MAY_BE_EMPTY and key not in NEVER_EMPTY
        properties[key] = {"anyOf": [place, {"type": "null"}]} if may_be_empty else place
    found: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if of.required:
        found["required"] = list[Json](sorted(of.required))
    if isinstance(of.type, type) and of.type.__doc__:
        found["description"] = of.type.__doc__.strip().split("\n")[0]
    return found


_PLAIN: dict[object, Json] = {
    str: {"type": ["string", "number", "boolean"]},
    int: {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[+-]?\d+$"}]},
    float: {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?\d+(\.\d+)?$"}]},
    bool: {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false", "yes", "no", "on", "off"]}]},
}
"""What a plain type may be written as: a text also without quotes, a number also in quotes."""


def _value(kind: object) -> Json:
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        spelled = [str(each) for each in choices]
        # YAML reads 502 as a number, whichever way the model names it.
        return {"enum": [*spelled, *(int(each) for each in spelled if each.isdecimal())]}
    if get_origin(kind) in (Union, types.UnionType):
        return {"anyOf": [_value(each) for each in get_args(kind)]}
    return _PLAIN.get(kind, {})


def _quantity(pattern: str) -> Json:
    number = r"^\+?\d+(\.\d+)?([eE][+-]?\d+)?$"
    return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "anyOf": _patterns(pattern, number)}]}


def _patterns(*patterns: str) -> list[Json]:
    return [{"pattern": each} for each in patterns]
