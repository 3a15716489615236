"""Plain flags: a name and a few characters, as in a mounted ConfigMap or the environment."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from proxy.flags.bucketing import Version
from proxy.flags.flag import OFF, ON, Flag, always, decided, percentage, spelled
from proxy.units import percent

_BOOLEANS = {
    **dict.fromkeys(("true", "on", "yes", "enabled"), True),
    **dict.fromkeys(("false", "off", "no", "disabled"), False),
}
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]{1,3})?")
_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_LONGEST_VARIANT = 64


def plain_flag(key: str, text: str, bucketing: Version, source: str) -> Flag:
    """The flag of that text; ValueError if it is a percentage or JSON that is none."""
    text = text.strip()
    rollout = _PERCENTAGE.fullmatch(text)
    if rollout is not None:
        return percentage_flag(key, percent(float(rollout[1])), bucketing, source)
    value = plain_value(text)
    variant = _variant(value)
    written = text if len(text) <= _LONGEST_VARIANT else text[: _LONGEST_VARIANT - 1] + "…"
    variants = {ON: True, OFF: False} if isinstance(value, bool) else {variant: value}
    return Flag(key, always(decided(value, variant)), "plain", source, written, variants)


def percentage_flag(key: str, share_percent: float, bucketing: Version, source: str) -> Flag:
    """The flag that is on for so many per cent of the targeting keys."""
    decide = percentage(
        key, share_percent, decided(value=True, variant=ON), decided(value=False, variant=OFF), bucketing
    )
    return Flag(key, decide, "plain", source, f"{share_percent:g}%", {ON: True, OFF: False})


def plain_value(text: str) -> object:
    """true, false, an integer, a float, JSON, or else the text itself; ValueError if JSON is broken."""
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if text[:1] in ("{", "[") or (len(text) > 1 and text[0] == text[-1] == '"'):
        return json_value(text)
    return text


def json_value(text: str) -> object:
    """The value of a JSON text; ValueError says where it is broken."""
    try:
        return json.loads(text, parse_constant=_not_json, parse_float=_finite)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    except json.JSONDecodeError as fault:
        raise ValueError(f"is not JSON: line {fault.lineno}, column {fault.colno}: {fault.msg}") from None


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large a number")
    return number


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _variant(value: object) -> str:
    if isinstance(value, bool):
        return ON if value else OFF
    word = spelled(value)
    return word if word and len(word) <= _LONGEST_VARIANT and word.isprintable() else "value"
