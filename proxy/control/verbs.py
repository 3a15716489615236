"""What a verb means for the present rules: the change to make, or why not."""

from __future__ import annotations

from collections.abc import Mapping

from proxy import overrides as law
from proxy.errors import Conflict, Invalid, NotFound
from proxy.overrides import ACTIVE, DRAINED, WEIGHT, WEIGHTS
from proxy.rules import Policy, Rules, Service
from proxy.store import Set
from proxy.strategies.canary import Canary


def service_of(rules: Rules, scope: str) -> Service:
    """The service that a scope names, or NotFound."""
    name = scope.partition("/")[0]
    service = rules.services.get(name)
    if service is None:
        known = ", ".join(sorted(rules.services)) or "none"
        raise NotFound(f"there is no service {name}; there are: {known}")
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
    if canary.weights:
        return _weigh_several(service_of(rules, scope), scope, canary, weights)
    if weight is None:
        raise Conflict(f"{scope} has one candidate, {canary.candidate}: give its percentage, such as 25")
    return Set(scope, WEIGHT, float(weight))


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


def left_alone(service: Service, version: str, target: str) -> str | None:
    """Why nobody would answer some requests if this were drained; None when others stand in."""
    spared = {name for name in service.versions if not _is_drained(service, name)} - {version}
    if target:
        others = [
            t for t in service.versions[version].targets if t != target and f"{version}@{t}" not in service.drained
        ]
        if others:
            return None
    for scope, policy in strategies(service):
        answering = {name for name, share in shares(policy).items() if share > 0}
        if version in answering and not answering & spared:
            return f"nothing else answers for {scope}"
    return None


def _is_drained(service: Service, version: str) -> bool:
    targets = service.versions[version].targets
    return version in service.drained or all(f"{version}@{target}" in service.drained for target in targets)


def strategies(service: Service) -> list[tuple[str, Policy]]:
    """The scopes of a service that have a chooser of their own."""
    scopes: list[tuple[str, Policy]] = [(service.name, service)]
    scopes += [(f"{service.name}/{route.name}", route) for route in service.routes]
    return [(scope, policy) for scope, policy in scopes if policy.rolling or policy.blue_green or policy.canary]


def shares(policy: Policy) -> dict[str, float]:
    """The percentage of undecided requests that each version gets."""
    if policy.rolling is not None:
        return {policy.rolling.version: 100.0}
    canary = policy.canary
    if canary is None:
        return {policy.blue_green.active: 100.0} if policy.blue_green is not None else {}
    if canary.weights:
        total = sum(canary.weights.values()) or 1.0
        return {version: 100.0 * weight / total for version, weight in canary.weights.items()}
    return {canary.stable or "": 100.0 - canary.weight, canary.candidate or "": canary.weight}


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
