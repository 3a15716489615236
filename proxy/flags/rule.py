"""A rule is a function of the scope it looks at."""

from __future__ import annotations

from collections.abc import Callable

Rule = Callable[[object], object]


class Constant:
    """The rule that says the same whatever it looks at."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __call__(self, scope: object) -> object:
        return self.value


class Listed:
    """The rule that says a list, item by item."""

    __slots__ = ("rules",)

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules

    def __call__(self, scope: object) -> list[object]:
        return [rule(scope) for rule in self.rules]


def listed(rules: list[Rule]) -> Rule:
    """A list of what the rules say; a constant if all of them are."""
    values = [rule.value for rule in rules if isinstance(rule, Constant)]
    return Constant(values) if len(values) == len(rules) else Listed(rules)


def is_listed(rule: Rule) -> bool:
    """Whether the rule says a list, whatever it looks at."""
    return isinstance(rule, Listed) or (isinstance(rule, Constant) and isinstance(rule.value, list))
