"""JsonLogic's values: what is true, a number, a text, equal, less: JavaScript's habits as flagd's Python has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isnan, nan

_INFINITIES = ("inf", "-inf", "+inf")
_INDEX = re.compile("0|[1-9][0-9]{0,8}")


def truthy(value: object) -> bool:
    """Whether a value counts as true: an object always, NaN and everything empty never."""
    if isinstance(value, dict):
        return True
    if isinstance(value, float) and isnan(value):
        return False
    return bool(value)


def number(value: object) -> float:
    """A value as a number, NaN if it is none."""
    if isinstance(value, (int, float)):
        return value
    if value is None:
        return 0
    if isinstance(value, list):
        return 0 if not value else number(value[0]) if len(value) == 1 else nan
    if not isinstance(value, str) or value.strip().lower() in _INFINITIES:
        return nan
    try:
        return float(value)
    except ValueError:
        return nan


def text(value: object) -> str:
    """A value as a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.15g}"
    if value is None:
        return "null"
    if isinstance(value, list):
        return ",".join(map(text, value))
    return "[object Object]" if isinstance(value, dict) else str(value)


def equal(left: object, right: object) -> bool:
    """`==`: equal after both were made the same type; lists and objects are equal only to themselves."""
    if type(left) is type(right):
        return left is right if isinstance(left, (list, dict)) else left == right
    if isinstance(left, (int, float)) or isinstance(right, (int, float)):
        return number(left) == number(right)
    if left is None or right is None:
        return False
    if isinstance(left, str) or isinstance(right, str):
        return text(left) == text(right)
    return False


def compared(holds: Callable[[float | str, float | str], bool]) -> Callable[[object, object, object], bool]:
    """`<` and its kin: numbers if one side is one, else texts if one side is one; a third operand makes it between."""

    def pair(left: object, right: object) -> bool:
        if isinstance(left, (int, float)) or isinstance(right, (int, float)):
            return holds(number(left), number(right))
        if isinstance(left, str) or isinstance(right, str):
            return holds(text(left), text(right))
        return holds(number(left), number(right))

    def between(left: object, middle: object, right: object) -> bool:
        return pair(left, middle) and (right is None or pair(middle, right))

    return between


def add(*terms: object) -> float:
    """`+`: the sum of all."""
    total: float = 0
    # Not `sum`: from Python 3.12 on it rounds otherwise than one addition after the other.
    for term in terms:
        total += number(term)
    return total


def multiply(*factors: object) -> float:
    """`*`: the product of all."""
    product: float = 1
    for factor in factors:
        product *= number(factor)
    return product


def subtract(left: object, right: object) -> float:
    """`-`: the difference, or the negative of one."""
    return -number(left) if right is None else number(left) - number(right)


def divide(left: object, right: object) -> float:
    """`/`: the quotient; ZeroDivisionError."""
    return number(left) / number(right)


def remainder(left: object, right: object) -> float:
    """`%`: the remainder with the divisor's sign; ZeroDivisionError."""
    return number(left) % number(right)


def least(*values: object) -> float:
    """`min`; NaN of none."""
    return min(map(number, values), default=nan)


def greatest(*values: object) -> float:
    """`max`; NaN of none."""
    return max(map(number, values), default=nan)


def contains(needle: object, haystack: object) -> bool:
    """`in`: an item of a list or a part of a text."""
    if isinstance(haystack, list):
        return needle in haystack
    return text(needle) in haystack if isinstance(haystack, str) else False


def concatenate(*parts: object) -> str:
    """`cat`: all as one text."""
    return "".join(map(text, parts))


def merge(*parts: object) -> list[object]:
    """`merge`: all items of all lists, and what is no list as an item."""
    return [item for part in parts for item in (part if isinstance(part, list) else [part])]


def substring(source: object, start: object, length: object) -> str:
    """`substr`: from `start`, below 0 counted from the end; `length` below 0 leaves out as many at the end."""
    whole = text(source)
    wanted = number(start)
    if isnan(wanted):
        begin = 0
    elif wanted < 0:
        begin = 0 if -wanted >= len(whole) else len(whole) - int(-wanted)
    else:
        begin = int(wanted)
    if length is None:
        return whole[begin:]
    if isnan(number(length)):
        return ""
    span = int(number(length))
    return whole[begin : begin + span] if span >= 0 else whole[begin : max(begin, len(whole) + span)]


def found(scope: object, path: object, default: object = None) -> object:
    """`var`: what stands at a dotted path, `default` where nothing or null does; "" is the scope itself."""
    if path is None or path == "":
        return scope
    if isinstance(path, (int, float)):
        if isinstance(scope, (list, str)) and float(path).is_integer():
            index = int(path)
            return scope[index] if 0 <= index < len(scope) else default
        # An object has no numeric keys in JSON: nothing can be there.
        return default
    return walked(scope, tuple(text(path).split(".")), default)


def walked(scope: object, steps: tuple[str, ...], default: object = None) -> object:
    """What stands at the end of the steps; see `found`."""
    for step in steps:
        if isinstance(scope, dict):
            scope = scope.get(step)
        elif isinstance(scope, (list, str)):
            if step == "length":
                # JavaScript stops here as well: a length has no parts.
                return len(scope)
            if not _INDEX.fullmatch(step) or int(step) >= len(scope):
                return default
            scope = scope[int(step)]
        else:
            return default
    return default if scope is None else scope


def missing(scope: object, keys: list[object]) -> list[object]:
    """`missing`: the paths at which nothing or an empty text stands."""
    return [key for key in keys if found(scope, key) in (None, "")]
