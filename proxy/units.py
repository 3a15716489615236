"""Quantities as people write them: 250ms, 5s, 1h, 64KiB, 20%."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from pydantic_core.core_schema import CoreSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|kB|MB|GB)?")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def seconds(text: object) -> float:
    """Seconds from `250ms`, `5s`, `1m30s`, `1h`, `2d` or a bare number, also as text; ValueError otherwise."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        value = float(text)
    elif isinstance(text, str) and _DURATION.fullmatch(text):
        value = sum(float(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text))
    elif isinstance(text, str) and _NUMBER.fullmatch(text):
        value = float(text)
    else:
        raise ValueError(f"{text!r} is not a duration such as 250ms, 5s or 1h")
    if not 0 <= value <= 10 * 365 * 86400:
        raise ValueError(f"{text!r} is not between 0 and ten years")
    return value


def size_bytes(text: object) -> int:
    """Bytes from `64KiB`, `1MiB`, `10MB` or a bare number; ValueError otherwise."""
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"{text} is below 0")
        return text
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a size such as 64KiB or 1MiB")
    return int(float(found[1]) * _BYTES[found[2] or ""])


def percent(text: object) -> float:
    """A percentage from 0 to 100, written `20%`, `20` or `0.1`; ValueError otherwise."""
    if isinstance(text, str) and _NUMBER.fullmatch(text.removesuffix("%")):
        value = float(text.removesuffix("%"))
    elif isinstance(text, (int, float)) and not isinstance(text, bool):
        value = float(text)
    else:
        raise ValueError(f"{text!r} is not a percentage such as 20%")
    if not 0 <= value <= 100:
        raise ValueError(f"{text} is not between 0 and 100")
    return value


class Quantity:
    """Marks a field of the rules whose text is read by `parse`; costs nothing where no rules are parsed."""

    def __init__(self, parse: Callable[[object], float], pattern: str) -> None:
        self.parse = parse
        self.pattern = pattern

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        from pydantic_core import core_schema

        schema = core_schema.union_schema(
            [core_schema.float_schema(), core_schema.str_schema(pattern=self.pattern)], mode="left_to_right"
        )
        return core_schema.no_info_plain_validator_function(
            self.parse, json_schema_input_schema=schema, serialization=core_schema.to_string_ser_schema()
        )


Seconds = Annotated[float, Quantity(seconds, r"^(\d+(\.\d+)?(ms|s|m|h|d))+$")]
Bytes = Annotated[int, Quantity(size_bytes, r"^\d+(\.\d+)?\s*(B|KiB|MiB|GiB|kB|MB|GB)?$")]
Percent = Annotated[float, Quantity(percent, r"^\d+(\.\d+)?%$")]
