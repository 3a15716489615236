"""What a verb means for the present rules: the change to make, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from proxy import overrides as law
from proxy.errors import Conflict, Invalid, NotFound
from proxy.flags.flag import Context, Flag
from proxy.flags.flagset import FlagSet, assign
from proxy.flags.pin import pinned
from proxy.overrides import ACTIVE, DRAINED, EVERYWHERE, FLAG, WEIGHT, WEIGHTS
from proxy.rules import Policy, Rules, Service
from proxy.store import Set
from proxy.strategies.canary import Canary
from proxy.strategies.rolling import Rolling
from proxy.track import has_strategy

MOST_NAMES = 20
"""So many flags are named to somebody who asked for one that is not there."""


def service_of(rules: Rules, scope: str) -> Service:
    """The service that a scope names, or NotFound."""
    name = scope.partition("/")[0]
    service = rules.services.get(name)
    if service is None:
        known = ", ".join(sorted(rules.services)) or "none"
        raise NotFound(f"there is no service {name}; there are: {known}")
    return service


def whole_service(rules: Rules, name: str) -> Service:
    """The service of exactly this name, for a verb that no route has for itself; or NotFound."""
    service = service_of(rules, name)
    if name != service.name:
        raise NotFound(f"{name} is no service: this verb is for a whole one, such as {service.name}")
    return service


def policy_of(rules: Rules, scope: str) -> Policy:
    """The service or route that a scope names, or NotFound."""
    service = service_of(rules, scope)
    policy = law.own_policy(service, scope)
    if policy is None:
        known = ", ".join(route.name for route in service.routes) or "none"
        raise NotFound(f"{service.name} has no route {scope.partition('/')[2]}; it has: {known}")
    return policy


def check_version(service: Service, version: str) -> None:
    """Raise NotFound unless the service has such a version."""
    if version not in service.versions:
        raise NotFound(f"{service.name} has no version {version}; it has: {', '.join(sorted(service.versions))}")


def switch(rules: Rules, scope: str, version: str) -> Set:
    """Make a colour the active one."""
    policy = policy_of(rules, scope)
    if policy.blue_green is None:
        raise Conflict(f"{scope} is not blue-green: {_instead(policy)}")
    check_version(service_of(rules, scope), version)
    return Set(scope, ACTIVE, version)


def weigh(rules: Rules, scope: str, weight: float | None, weights: Mapping[str, float]) -> Set:
    """Set the candidate's percentage, or the shares of several versions."""
    policy = policy_of(rules, scope)
    canary = policy.canary
    if canary is None:
        raise Conflict(f"{scope} is not a canary: {_instead(policy)}")
    if canary.flag is not None:
        raise Conflict(f"the flag {canary.flag} draws for {scope}: set it, such as `flag set {canary.flag} 25%`")
    if canary.weights:
        return _weigh_several(service_of(rules, scope), scope, canary, weights)
    if weight is None:
        raise Conflict(f"{scope} has one candidate, {canary.candidate}: give its percentage, such as 25")
    return Set(scope, WEIGHT, float(weight))


def step(rules: Rules, scope: str, percent: float) -> Set:
    """What gives the candidate its percentage in a rollout: its weight, or the flag that draws for it."""
    canary = policy_of(rules, scope).canary
    if canary is None or canary.flag is None:
        return Set(scope, WEIGHT, float(percent), "rollout")
    return Set(EVERYWHERE, f"{FLAG}{canary.flag}", f"{percent:.10g}%", "rollout")


def flip(flags: FlagSet, key: str, text: str | None, drives: Sequence[str] = ()) -> Set:
    """Set a feature flag on top of its file, None for what the file says; Invalid if it cannot be that.

    A flag that draws for the scopes in `drives` must stay true, false or a percentage.
    """
    said = flags.sources.said(key)
    if said is None:
        known = ", ".join(sorted(flags.flags)[:MOST_NAMES]) or "none"
        raise NotFound(f"there is no flag {key}; there are: {known}")
    if text is not None:
        flag = pinned(flags.flags[key], text, flags.sources.bucketing)
        # To a canary, all that is not true is off: a typing error would take everybody's candidate away.
        if drives and not isinstance(flag.decide(Context("somebody")).value, bool):
            fitting = "true, false or a percentage" if flag.kind == "plain" else _booleans(flag)
            raise Invalid(f"{key} draws for {', '.join(drives)}: it can be set to {fitting}, not to {text.strip()!r}")
    return Set(EVERYWHERE, f"{FLAG}{key}", said if text is None else text.strip())


def _booleans(flag: Flag) -> str:
    return (
        ", ".join(name for name, value in flag.variants.items() if isinstance(value, bool)) or "nothing that is boolean"
    )


def driven_by(rules: Rules, key: str) -> list[str]:
    """The scopes whose candidate a feature flag draws."""
    return [
        scope
        for service in rules.services.values()
        for scope, policy in strategies(service)
        if policy.canary is not None and policy.canary.flag == key
    ]


def _weigh_several(service: Service, scope: str, canary: Canary, weights: Mapping[str, float]) -> Set:
    if not weights:
        example = ",".join(f"{version}={share:g}" for version, share in canary.weights.items())
        raise Conflict(f"{scope} splits among several versions: give their weights, such as {example}")
    for version in weights:
        check_version(service, version)
    if not sum(weights.values()) > 0:
        raise Invalid("the weights add up to 0: nobody would answer")
    return Set(scope, WEIGHTS, law.pairs(dict(weights)))


def drain(rules: Rules, service: str, version: str, target: str, *, drained: bool) -> Set:
    """Take a version, or one of its targets, out of choice, or put it back."""
    present = service_of(rules, service)
    check_version(present, version)
    if target and target not in present.versions[version].targets:
        known = ", ".join(present.versions[version].targets)
        raise NotFound(f"{service}/{version} has no target {target}; it has: {known}")
    return Set(service, f"{DRAINED}{version}{'@' if target else ''}{target}", drained)


def left_alone(service: Service, version: str, target: str, flags: FlagSet | None = None) -> str | None:
    """Why nobody would answer some requests if this were drained; None when others stand in."""
    spared = {name for name in service.versions if not _is_drained(service, name)} - {version}
    if target:
        others = [
            t for t in service.versions[version].targets if t != target and f"{version}@{t}" not in service.drained
        ]
        if others:
            return None
    for scope, policy in strategies(service):
        answering = {name for name, share in shares(policy, flags).items() if share > 0}
        if version in answering and not answering & spared:
            return f"nothing else answers for {scope}"
    return None


def _is_drained(service: Service, version: str) -> bool:
    targets = service.versions[version].targets
    return version in service.drained or all(f"{version}@{target}" in service.drained for target in targets)


def strategies(service: Service) -> list[tuple[str, Policy]]:
    """The scopes of a service that have a chooser of their own; one version without a strategy is rolling."""
    if len(service.versions) == 1 and not has_strategy(service):
        service = replace(service, rolling=Rolling(version=next(iter(service.versions))))
    scopes: list[tuple[str, Policy]] = [(service.name, service)]
    scopes += [(f"{service.name}/{route.name}", route) for route in service.routes]
    return [(scope, policy) for scope, policy in scopes if policy.rolling or policy.blue_green or policy.canary]


def shares(policy: Policy, flags: FlagSet | None = None) -> dict[str, float]:
    """The percentage of undecided requests that each version gets; nothing where a flag's targeting says who."""
    if policy.rolling is not None:
        return {policy.rolling.version: 100.0}
    canary = policy.canary
    if canary is None:
        return {policy.blue_green.active: 100.0} if policy.blue_green is not None else {}
    if canary.weights:
        total = sum(canary.weights.values()) or 1.0
        return {version: 100.0 * weight / total for version, weight in canary.weights.items()}
    percent = canary.weight if canary.flag is None or flags is None else _percent_on(flags, canary.flag)
    return {} if percent is None else {canary.stable or "": 100.0 - percent, canary.candidate or "": percent}


def _percent_on(flags: FlagSet, key: str) -> float | None:
    """For how many a flag is on; None where that depends on who they are."""
    decision = assign(flags, key, Context("somebody"))
    if decision.reason in ("TARGETING_MATCH", "DEFAULT"):
        return None
    is_on, share = decision.value is True, 1.0 if decision.share is None else decision.share
    return round(100 * (share if is_on else 1 - share), 10)


def left_behind(before: Rules, after: Rules, service: str) -> list[str]:
    """The versions that answered for some scope of the service, and for that scope no longer."""
    lost: dict[str, None] = {}
    for scope, policy in strategies(before.services[service]) if service in before.services else ():
        now = _present(after, scope)
        remaining = shares(now) if now is not None else {}
        lost |= {name: None for name, share in shares(policy).items() if share > 0 and not remaining.get(name)}
    return list(lost)


def _present(rules: Rules, scope: str) -> Policy | None:
    """The scope's policy in these rules; None when it is gone."""
    service = rules.services.get(scope.partition("/")[0])
    return law.own_policy(service, scope) if service is not None else None


def routes_apart(service: Service, scope: str) -> list[str]:
    """The routes that keep a chooser of their own when the service's is changed."""
    return [] if "/" in scope else [own for own, _ in strategies(service) if own != scope]


def _instead(policy: Policy) -> str:
    if policy.blue_green is not None:
        return "use `switch`"
    if policy.canary is not None:
        return "use `weight`"
    if policy.rolling is not None:
        return f"it is rolling, always {policy.rolling.version}"
    return "it follows its service; address that"
