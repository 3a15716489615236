"""Programmes: what the rules want rolled out, scope by scope, and what a percentage means there."""

from __future__ import annotations

from proxy.control import verbs
from proxy.errors import ShuntError
from proxy.flags.flagset import FlagSet
from proxy.overrides import ACTIVE, own_policy, pairs
from proxy.rollout.programme import Programme, of_blue_green, of_canary
from proxy.rules import Policy, Rules
from proxy.store import Set


def programmes(rules: Rules) -> dict[str, Programme]:
    """By scope, as the file has them: what a rollout itself has changed is none of its instructions."""
    return {
        scope: programme
        for service in rules.services.values()
        for scope, policy in verbs.strategies(service)
        if (programme := _of(policy)) is not None
    }


def _of(policy: Policy) -> Programme | None:
    progressive, canary, blue_green = policy.progressive, policy.canary, policy.blue_green
    if progressive is None:
        return None
    if blue_green is not None:
        return of_blue_green(progressive, blue_green)
    if canary is None or canary.weights:
        return None
    return of_canary(progressive, canary)


def move(rules: Rules, scope: str, programme: Programme, weight: float) -> Set:
    """The change that gives the candidate so many percent."""
    policy = own_policy(rules.services[scope.partition("/")[0]], scope)
    if policy is None or policy.blue_green is None:
        return verbs.step(rules, scope, weight)
    if 0 < weight < 100:
        shares = {programme.stable: 100.0 - weight, programme.candidate: weight}
        return Set(scope, ACTIVE, pairs(shares), origin="rollout")
    return Set(scope, ACTIVE, programme.candidate if weight else programme.stable, origin="rollout")


def weight_of(rules: Rules, flags: FlagSet, scope: str, version: str) -> float:
    """The percentage that the version gets by these rules and flags."""
    service = rules.services.get(scope.partition("/")[0])
    policy = own_policy(service, scope) if service is not None else None
    return verbs.shares(policy, flags).get(version, 0.0) if policy is not None else 0.0


def is_idle(rules: Rules, flags: FlagSet, service: str, version: str) -> bool:
    """Whether no strategy of the service gives the version anything."""
    return not any(verbs.shares(policy, flags).get(version) for _, policy in verbs.strategies(rules.services[service]))


def hindrance(rules: Rules, flags: FlagSet, scope: str) -> str:
    """Why the flag that draws in a scope cannot be moved; "" where it can, or where no flag draws."""
    canary = verbs.policy_of(rules, scope).canary
    if canary is None or canary.flag is None:
        return ""
    try:
        verbs.flip(flags, canary.flag, "50%")
    except ShuntError as fault:
        return str(fault)
    return ""


def routes_apart(rules: Rules, scope: str) -> tuple[str, ...]:
    """The routes of a service that choose for themselves."""
    service, slash, _ = scope.partition("/")
    if slash:
        return ()
    return tuple(own.partition("/")[2] for own, _ in verbs.strategies(rules.services[service]) if "/" in own)
