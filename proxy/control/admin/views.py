"""What the control plane shows: plain values, made from the present state on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from proxy.conditions import flags_of
from proxy.control import verbs
from proxy.control.dataplanes import WorkerStatus
from proxy.control.door import Control
from proxy.ledger import Entry
from proxy.overrides import EVERYWHERE, Override
from proxy.rules import Policy, Service
from proxy.track import flags_asked

TargetHealth = Callable[[str, str, str], str]
"""`up`, `down`, `unknown` or `unresolved` (a name without an address), by service, version and target."""
UNCHECKED = "unchecked"
"""What is said instead of `unknown` of the targets of a service without active checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyView:
    """Who answers in one scope; `percent` is each version's share of the requests that no flag decides."""

    scope: str
    strategy: str
    percent: dict[str, float]
    flag: str = ""
    """The feature flag that draws; `percent` is empty where its targeting says who."""
    waiting_for: str = ""
    """The colour that the rules name, while it has no healthy target."""
    shadows: tuple[str, ...] = ()
    """Who hears copies of how many requests, such as `next hears 25 %`."""
    flag_rules: tuple[str, ...] = ()
    """The rules that are asked before the strategy, in order, such as `beta-testers get next`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    service: str
    version: str
    target: str
    health: str
    drained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    service: str
    version: str
    drained: bool
    targets: tuple[TargetView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    max_seconds: float
    until: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    name: str
    hosts: tuple[str, ...]
    strategies: tuple[StrategyView, ...]
    versions: tuple[VersionView, ...]
    overrides: tuple[Override, ...]
    hold: HoldView | None
    undefined_flags: tuple[str, ...] = ()
    """The flags that its rules name and no file defines: to the rules they are off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything at a glance."""

    revision: int
    rules_valid: bool
    faults: tuple[str, ...]
    """Of the present rules file; the last good rules are in force."""
    state_fault: str
    state_lost: tuple[str, ...]
    flags_valid: bool
    flag_faults: tuple[str, ...]
    """Of the present flag files; the last good flags are in force."""
    flag_revision: str
    flags: int
    """How many there are."""
    flag_overrides: tuple[Override, ...]
    workers: tuple[WorkerStatus, ...]
    services: tuple[ServiceView, ...]
    generation: int = 1
    """How often the instance was upgraded, and one."""
    upgrade_fault: str = ""
    """Why the last upgrade was not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """Newest first."""

    revision: int
    forgotten: int
    entries: tuple[Entry, ...]


def status(control: Control, health: TargetHealth) -> Status:
    """The whole state."""
    condition = control.condition
    return Status(
        revision=control.store.revision,
        rules_valid=not condition.faults,
        faults=condition.faults,
        state_fault=condition.state_fault,
        state_lost=condition.state_lost,
        flags_valid=not condition.flag_faults,
        flag_faults=condition.flag_faults,
        flag_revision=control.flags.current.revision,
        flags=len(control.flags.current.flags),
        flag_overrides=tuple(each for each in control.store.state.overrides if each.scope == EVERYWHERE),
        workers=tuple(control.planes.workers()),
        services=services(control, health),
        generation=condition.generation,
        upgrade_fault=condition.upgrade_fault,
    )


def services(control: Control, health: TargetHealth) -> tuple[ServiceView, ...]:
    """All services, by name."""
    present = control.store.state.effective.services
    return tuple(service(control, present[name], health) for name in sorted(present))


def service(control: Control, shown: Service, health: TargetHealth) -> ServiceView:
    """One service as it works now."""
    hold = control.condition.holds.get(shown.name)
    waiting = {move.scope: move.wanted for move in control.store.waiting()}
    overrides = control.store.state.overrides
    return ServiceView(
        name=shown.name,
        hosts=shown.hosts,
        strategies=tuple(
            StrategyView(
                scope=scope,
                strategy=_strategy(policy),
                percent=verbs.shares(policy, control.flags.current),
                flag=(policy.canary and policy.canary.flag) or "",
                waiting_for=waiting.get(scope, ""),
                shadows=_shadows(shown, policy),
                flag_rules=_flag_rules(shown, policy),
            )
            for scope, policy in verbs.strategies(shown)
        ),
        versions=tuple(versions([shown], health)),
        overrides=tuple(override for override in overrides if override.service == shown.name),
        hold=HoldView(max_seconds=hold.max_seconds, until=hold.until) if hold else None,
        undefined_flags=tuple(key for key in _flags_named(shown) if key not in control.flags.current.flags),
    )


def _flags_named(shown: Service) -> Iterator[str]:
    """The flags in a service's rules, each once, in the order written."""
    asked = [*flags_asked(shown)]
    for route in shown.routes:
        asked += [*flags_of(route.match), *flags_asked(route)]
    yield from dict.fromkeys((*asked, *shown.flag_headers))


def versions(shown: Sequence[Service], health: TargetHealth) -> Iterator[VersionView]:
    """The versions of these services with their targets."""
    for one in shown:
        for name, version in one.versions.items():
            drained = name in one.drained
            targets = tuple(
                TargetView(
                    service=one.name,
                    version=name,
                    target=target,
                    health=_health(one, health(one.name, name, target)),
                    drained=drained or f"{name}@{target}" in one.drained,
                )
                for target in version.targets
            )
            yield VersionView(service=one.name, version=name, drained=drained, targets=targets)


def _health(service: Service, found: str) -> str:
    return UNCHECKED if found == "unknown" and service.health is None else found


def _shadows(service: Service, policy: Policy) -> tuple[str, ...]:
    """Who hears copies; a route without words of its own on that follows its service."""
    heard = service.shadow if policy.shadow is None else policy.shadow
    limits = ((each, " where its condition holds" if each.when else "") for each in heard or ())
    return tuple(f"{each.version} hears {each.percent:g} %{limit}" for each, limit in limits)


def _flag_rules(service: Service, policy: Policy) -> tuple[str, ...]:
    rules = service.flags if policy.flags is None else policy.flags
    return tuple(f"{each.name} get {each.version}" for each in rules or ())


def _strategy(policy: Policy) -> str:
    if policy.blue_green is not None:
        return "blue_green"
    return "canary" if policy.canary is not None else "rolling"
