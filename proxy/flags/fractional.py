"""Fractional: shares by weight; a key stays in its part for as long as the weights up to it stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from proxy.flags.bucketing import Split, Version, hash_of, hasher
from proxy.flags.rule import Constant, Listed, Rule, is_listed

Parts = Callable[[object, int | None], object]
"""The variant in whose part a hash falls, looked up in a scope; None without a hash."""


class Share(NamedTuple):
    """A variant and its weight."""

    variant: Rule
    weight: int


def fractional(salt: str, rules: list[Rule], bucketing: Version) -> Rule:
    """`fractional` over its compiled operands: an optional bucketing key, then `[variant, weight]` each.

    Without a bucketing key of its own it buckets by the scope's targeting key, salted.
    """
    by_targeting_key = hasher(salt, bucketing)
    if not rules or is_listed(rules[0]):
        parts = _parts(rules)
        return lambda scope: parts(scope, by_targeting_key(_targeting_key(scope)))
    first, shares, all_shares = rules[0], _parts(rules[1:]), _parts(rules)

    def fraction(scope: object) -> object:
        key = first(scope)
        # v2 takes only a text as a bucketing key, v3 everything but a list: else the operand is a share itself.
        if isinstance(key, str) if bucketing == "v2" else not isinstance(key, list):
            return shares(scope, hash_of(key, bucketing))
        return all_shares(scope, by_targeting_key(_targeting_key(scope)))

    return fraction


def _targeting_key(scope: object) -> object:
    return scope.get("targetingKey") if isinstance(scope, dict) else None


def _parts(rules: list[Rule]) -> Parts:
    shares: list[Share] = []
    try:
        for rule in rules:
            share = _written_share(rule)
            if share is None:
                return _weighed_per_call(rules)
            shares.append(share)
        split = Split([share.weight for share in shares])
    except ValueError:
        # flagd: shares that make no sense assign nobody, and the default answers.
        return lambda scope, hashed: None
    variants = [share.variant for share in shares]

    def parts(scope: object, hashed: int | None) -> object:
        return None if hashed is None else variants[split.part(hashed)](scope)

    return parts


def _weighed_per_call(rules: list[Rule]) -> Parts:
    def parts(scope: object, hashed: int | None) -> object:
        try:
            shares = [_share(rule(scope)) for rule in rules]
            split = Split([share.weight for share in shares])
        except ValueError:
            return None
        return None if hashed is None else shares[split.part(hashed)].variant(scope)

    return parts


def _written_share(rule: Rule) -> Share | None:
    """The share that a rule always says, None if the weight is known only when it runs; ValueError if it is none."""
    if isinstance(rule, Constant):
        return _share(rule.value)
    if not isinstance(rule, Listed):
        return None
    match rule.rules:
        case [variant]:
            return Share(variant, 1)
        case [variant, Constant(value=weight)]:
            return Share(variant, _weight(weight))
        case [_, _]:
            return None
    raise ValueError("a share is [variant] or [variant, weight]")


def _share(value: object) -> Share:
    match value:
        case [variant]:
            return Share(Constant(variant), 1)
        case [variant, weight]:
            return Share(Constant(variant), _weight(weight))
    raise ValueError("a share is [variant] or [variant, weight]")


def _weight(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no weight")
    return value
