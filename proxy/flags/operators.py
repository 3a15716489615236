"""Operators: what flagd's JsonLogic makes of operands that are compiled already."""

from __future__ import annotations

import operator
from collections.abc import Callable

from proxy.flags import logic
from proxy.flags.rule import Constant, Rule
from proxy.flags.semver import Semver, compares


def choice(rules: list[Rule]) -> Rule:
    """`if`: condition, then, condition, then, …, else."""
    pairs = list(zip(rules[::2], rules[1::2], strict=False))
    otherwise = rules[-1] if len(rules) % 2 else Constant(None)

    def chosen(scope: object) -> object:
        for condition, then in pairs:
            if logic.truthy(condition(scope)):
                return then(scope)
        return otherwise(scope)

    return chosen


def _every(rules: list[Rule]) -> Rule:
    """`and`: the first value that counts as false, else the last."""

    def every(scope: object) -> object:
        value: object = None
        for rule in rules:
            value = rule(scope)
            if not logic.truthy(value):
                return value
        return value

    return every


def _either(rules: list[Rule]) -> Rule:
    """`or`: the first value that counts as true, else the last."""

    def either(scope: object) -> object:
        value: object = None
        for rule in rules:
            value = rule(scope)
            if logic.truthy(value):
                return value
        return value

    return either


def called(function: Callable[..., object], rules: list[Rule]) -> Rule:
    """The function of what the rules say; by arity, since every call counts."""
    match rules:
        case [only]:
            return lambda scope: function(only(scope))
        case [left, right]:
            return lambda scope: function(left(scope), right(scope))
        case [left, middle, right]:
            return lambda scope: function(left(scope), middle(scope), right(scope))
    return lambda scope: function(*[rule(scope) for rule in rules])


def _over(function: Callable[..., object]) -> Callable[[list[Rule]], Rule]:
    return lambda rules: called(function, rules)


def _starts_with(whole: object, part: object) -> bool | None:
    return whole.startswith(part) if isinstance(whole, str) and isinstance(part, str) else None


def _ends_with(whole: object, part: object) -> bool | None:
    return whole.endswith(part) if isinstance(whole, str) and isinstance(part, str) else None


def _sem_ver(left: object, comparison: object, right: object) -> bool | None:
    try:
        return compares(Semver.parse(str(left)), str(comparison), Semver.parse(str(right)))
    except ValueError:
        return None


VARIADIC: dict[str, Callable[[list[Rule]], Rule]] = {
    "and": _every,
    "or": _either,
    "+": _over(logic.add),
    "*": _over(logic.multiply),
    "min": _over(logic.least),
    "max": _over(logic.greatest),
    "cat": _over(logic.concatenate),
    "merge": _over(logic.merge),
}
FIXED: dict[str, tuple[int, Callable[..., object]]] = {
    "==": (2, logic.equal),
    "!=": (2, lambda left, right: not logic.equal(left, right)),
    "===": (2, operator.eq),
    "!==": (2, operator.ne),
    "<": (3, logic.compared(operator.lt)),
    "<=": (3, logic.compared(operator.le)),
    ">": (3, logic.compared(operator.gt)),
    ">=": (3, logic.compared(operator.ge)),
    "!": (1, lambda value: not logic.truthy(value)),
    "!!": (1, logic.truthy),
    "-": (2, logic.subtract),
    "/": (2, logic.divide),
    "%": (2, logic.remainder),
    "in": (2, logic.contains),
    "substr": (3, logic.substring),
    # A proxy's log is no place for what a flag's author looks at.
    "log": (1, lambda value: value),
}
EXACT: dict[str, tuple[int, Callable[..., object]]] = {
    "starts_with": (2, _starts_with),
    "ends_with": (2, _ends_with),
    "sem_ver": (3, _sem_ver),
}
