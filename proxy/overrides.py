"""An override holds for as long as the rules still say what they said when it was set.

This is the whole of law 4: editing a preview header moves no traffic, a rules file that says
something new about the overridden field wins, and a replica that reads the old file does not flip back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

from proxy.flags.flagset import NO_FLAGS, Sources
from proxy.rules import Policy, Rules, Service
from proxy.strategies.canary import Canary

Value = bool | float | str | tuple[tuple[str, float], ...]
"""A colour, a percentage, weights by version, yes or no, what a flag is set to."""

Said = Value | tuple[str, str, float]
"""What the rules can say; of a `weight`: stable, candidate, percentage, so that it never falls to another pair."""

ACTIVE = "active"
"""A colour, or the percentages of two while a rollout holds a part back."""
WEIGHT = "weight"
WEIGHTS = "weights"
DRAINED = "drained:"
"""Followed by `version` or `version@target`."""
FLAG = "flag:"
"""Followed by the key of a feature flag. Flags belong to no service: the scope is `EVERYWHERE`."""
EVERYWHERE = ""

P = TypeVar("P", bound=Policy)


@dataclass(frozen=True, slots=True)
class Override:
    """What somebody set on top of the files; `scope` is `service`, `service/route` or, of a flag, `EVERYWHERE`."""

    scope: str
    field: str
    value: Value
    was: Said
    """What the files said for the field when it was set."""
    origin: Literal["operator", "rollout", "waiting"] = "operator"
    """`waiting`: the rules name a colour without a healthy target, so the former one stays in force."""

    @property
    def key(self) -> tuple[str, str]:
        """There is at most one override of a scope's field."""
        return self.scope, self.field

    @property
    def service(self) -> str:
        """The service's name; "" of a flag."""
        return self.scope.partition("/")[0]


class Applied(NamedTuple):
    """The effective rules and flags, and what became of each override."""

    rules: Rules
    valid: tuple[Override, ...]
    void: tuple[Override, ...]
    flags: Sources


def apply(overrides: Iterable[Override], rules: Rules, flags: Sources = NO_FLAGS) -> Applied:
    """Fold the overrides that still hold into rules and flags; the later of two for the same field wins."""
    latest = {override.key: override for override in overrides}.values()
    valid = tuple(override for override in latest if _still_holds(override, rules, flags))
    void = tuple(override for override in latest if override not in valid)
    services = dict(rules.services)
    set_flags: dict[str, str] = {}
    for override in valid:
        if override.field.startswith(FLAG):
            set_flags[override.field.removeprefix(FLAG)] = str(override.value)
        else:
            services[override.service] = _folded(services[override.service], override)
    return Applied(
        Rules(services=services) if len(valid) > len(set_flags) else rules,
        valid,
        void,
        flags.overridden(set_flags) if set_flags else flags,
    )


def said(rules: Rules, scope: str, field: str, flags: Sources = NO_FLAGS) -> Said | None:
    """What the files say for a field; None when there is no such service, route, strategy, version, target or flag."""
    if field.startswith(FLAG):
        return flags.said(field.removeprefix(FLAG)) if scope == EVERYWHERE else None
    service = rules.services.get(scope.partition("/")[0])
    if service is None:
        return None
    if field.startswith(DRAINED):
        return _said_drained(service, field.removeprefix(DRAINED)) if "/" not in scope else None
    policy = own_policy(service, scope)
    if policy is None:
        return None
    if field == ACTIVE:
        return policy.blue_green.active if policy.blue_green else None
    if policy.canary is None or policy.canary.flag is not None or bool(policy.canary.weights) != (field == WEIGHTS):
        return None
    if field == WEIGHTS:
        return pairs(policy.canary.weights)
    return policy.canary.stable or "", policy.canary.candidate or "", policy.canary.weight


def own_policy(service: Service, scope: str) -> Policy | None:
    """The service itself or the route that the scope names; None when there is no such route."""
    _, slash, name = scope.partition("/")
    if not slash:
        return service
    return next((route for route in service.routes if route.name == name), None)


def pairs(weights: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """Weights by version as a plain value; the order in the file means nothing."""
    return tuple(sorted((version, float(weight)) for version, weight in weights.items()))


def _said_drained(service: Service, item: str) -> bool | None:
    name, at, target = item.partition("@")
    version = service.versions.get(name)
    if version is None or (at and target not in version.targets):
        return None
    return item in service.drained


def _still_holds(override: Override, rules: Rules, flags: Sources) -> bool:
    if said(rules, override.scope, override.field, flags) != override.was:
        return False
    if override.field.startswith(FLAG):
        return True
    versions = rules.services[override.service].versions
    if isinstance(override.value, tuple):
        return all(pair[0] in versions for pair in override.value)
    return override.field != ACTIVE or override.value in versions


def _folded(service: Service, override: Override) -> Service:
    if override.field.startswith(DRAINED):
        item = override.field.removeprefix(DRAINED)
        others = tuple(entry for entry in service.drained if entry != item)
        return replace(service, drained=(*others, item) if override.value else others)
    _, slash, name = override.scope.partition("/")
    if not slash:
        return _set(service, override)
    routes = tuple(_set(route, override) if route.name == name else route for route in service.routes)
    return replace(service, routes=routes)


def _set(policy: P, override: Override) -> P:
    value = override.value
    if policy.blue_green is not None and isinstance(value, str):
        return replace(policy, blue_green=replace(policy.blue_green, active=value))
    if policy.blue_green is not None and isinstance(value, tuple):
        return replace(policy, canary=_between(policy.blue_green.active, dict(value)))
    if policy.canary is not None and isinstance(value, tuple):
        weights = {str(pair[0]): float(pair[1]) for pair in value}
        return replace(policy, canary=replace(policy.canary, weights=weights))
    if policy.canary is not None and isinstance(value, float):
        return replace(policy, canary=replace(policy.canary, weight=value))
    return policy


def _between(active: str, shares: dict[str, float]) -> Canary | None:
    """Two colours that answer side by side, while a rollout holds a part of the requests back."""
    return next((Canary(stable=active, candidate=to, weight=part) for to, part in shares.items() if to != active), None)
