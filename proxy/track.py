"""A track: one route compiled, so that a plan is a few look-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from proxy.conditions import Identity, When, flags_of, needs_identity
from proxy.errors import Invalid, NoRoute
from proxy.model import Dice, Request
from proxy.plan import Copy, Lane, Omitted, Plan
from proxy.rules import Limits, Policy, Route, Service
from proxy.strategies import blue_green, canary, flags, rolling, shadow
from proxy.strategies.sticky import Choose, Ground, hasher
from proxy.targets import Address, Fleet, Registry, Target

CHOOSERS: tuple[Callable[[Policy, Ground], Choose | None], ...] = (
    lambda policy, ground: flags.chooser(policy.flags, ground),
    lambda policy, ground: blue_green.previewer(policy.blue_green, ground),
    lambda policy, ground: rolling.chooser(policy.rolling),
    lambda policy, ground: canary.chooser(policy.canary, ground.of_release(_release(policy))),
    lambda policy, ground: blue_green.chooser(policy.blue_green),
)
"""The order in which choosers are asked; the first that says a version is obeyed.

A canary stands beside blue-green only while a rollout lets both colours answer.
"""

Endpoints = Mapping[str, tuple[Address, ...]]
"""The addresses that a target's text of the rules resolved to; absent: the text is the address."""


class Drawn(NamedTuple):
    """What holds when chance drew a version of a split."""

    fleet: Fleet
    stand_ins: tuple[Fleet, ...]
    rescuer: Fleet | None


class Hearer(NamedTuple):
    """One shadow compiled: the copier's verb, and each of its answers made beforehand."""

    copies: shadow.Copies
    copy: Copy
    omitted: dict[shadow.Unheard, Omitted]


class Track:
    """Who chooses, who answers, who hears: everything about one route that does not depend on the request."""

    __slots__ = ("choosers", "fall", "fleets", "hearers", "lane", "policy", "split")

    def __init__(
        self,
        lane: Lane,
        policy: Policy,
        fleets: dict[str, Fleet],
        choosers: tuple[Choose, ...],
        hearers: tuple[Hearer, ...],
        split: dict[str, Drawn],
        fall: Callable[[bytes], int] | None,
    ) -> None:
        self.lane = lane
        self.policy = policy
        self.fleets = fleets
        self.choosers = choosers
        self.hearers = hearers
        self.split = split
        self.fall = fall
        """The bucket of an identity, only where `balance: hash` asks for it in every plan."""

    def at(self, lane: Lane) -> Track:
        """The same strategies and versions on another lane."""
        return Track(lane, self.policy, self.fleets, self.choosers, self.hearers, self.split, self.fall)

    def plan(self, request: Request, identity: Identity, minted: bytes | None, dice: Dice) -> Plan:
        """All that is decided about the request; NoRoute if no chooser says a version."""
        for choose in self.choosers:
            choice = choose(request, identity, dice)
            if choice is not None:
                break
        else:
            raise NoRoute("no strategy says who answers this request")
        if self.fall is not None and choice.bucket is None and identity is not None:
            choice = choice._replace(bucket=self.fall(identity))
        if choice.randomised:
            fleet, stand_ins, rescuer = self.split[choice.version]
        else:
            fleet, stand_ins, rescuer = self.fleets[choice.version], (), None
        if not self.hearers:
            return Plan(self.lane, fleet, choice, stand_ins, rescuer, (), minted)
        copies, omitted = self._copies(request, identity, dice)
        return Plan(self.lane, fleet, choice, stand_ins, rescuer, copies, minted, omitted)

    def _copies(self, request: Request, identity: Identity, dice: Dice) -> tuple[tuple[Copy, ...], tuple[Omitted, ...]]:
        copies: list[Copy] = []
        omitted: list[Omitted] = []
        for hearer in self.hearers:
            unheard = hearer.copies(request, identity, dice)
            if unheard:
                omitted.append(hearer.omitted[unheard])
            elif unheard is not None:
                copies.append(hearer.copy)
        return tuple(copies), tuple(omitted)


def _split(policy: Policy, fleets: dict[str, Fleet]) -> dict[str, Drawn]:
    """For each version that can be drawn: who may stand in for it, the greatest share first, and who rescues it."""
    if policy.canary is None:
        return {}
    ranked = canary.drawable(policy.canary)
    stable = policy.canary.stable if policy.canary.stable in fleets and policy.rescue is not False else None
    return {
        version: Drawn(
            fleets[version],
            tuple(fleets[other] for other in ranked if other != version) if policy.canary.failover else (),
            fleets[stable] if stable is not None and version == policy.canary.candidate else None,
        )
        for version in ranked
    }


# --- compiling ----------------------------------------------------------------------------


class Muster:
    """The fleets of one service: one for each version under each way of balancing and limiting."""

    __slots__ = ("_fleets", "_service", "targets")

    def __init__(self, service: Service, registry: Registry, endpoints: Endpoints) -> None:
        self._service = service
        self._fleets: dict[tuple[str | None, Limits | None], dict[str, Fleet]] = {}
        self.targets: dict[str, dict[Target, str]] = {
            version: _targets(service.name, version, texts.targets, registry, endpoints)
            for version, texts in service.versions.items()
        }
        """All targets with the text that names each, drained ones too, by version."""

    def fleets(self, policy: Policy) -> dict[str, Fleet]:
        """A fleet for each version, without what is drained."""
        key = (policy.balance, policy.limits)
        found = self._fleets.get(key)
        if found is None:
            found = self._fleets[key] = {version: self._fleet(version, policy) for version in self._service.versions}
        return found

    def all(self) -> list[Fleet]:
        """Every fleet that was asked for."""
        return [fleet for fleets in self._fleets.values() for fleet in fleets.values()]

    def _fleet(self, version: str, policy: Policy) -> Fleet:
        service = self._service
        targets = tuple(
            target
            for target, text in self.targets[version].items()
            if not {version, f"{version}@{text}", f"{version}@{target.address}"}.intersection(service.drained)
        )
        return Fleet(
            service.name,
            version,
            targets,
            balance=policy.balance or "least_busy",
            limits=policy.limits,
            eject=service.eject,
            pool=service.pool,
            headers=service.versions[version].headers,
        )


def _targets(
    service: str, version: str, texts: tuple[str, ...], registry: Registry, endpoints: Endpoints
) -> dict[Target, str]:
    found: dict[Target, str] = {}
    for text in texts:
        try:
            addresses = endpoints[text] if text in endpoints else (Address.parse(text),)
        except ValueError as fault:
            raise Invalid(f"services.{service}.versions.{version}: {fault}") from fault
        for address in addresses:
            found.setdefault(registry.target(service, version, address), text)
    return found


def track(lane: Lane, policy: Policy, muster: Muster, ground: Ground) -> Track:
    """The track of a policy; Invalid if it names an unknown version or a value that cannot be read."""
    fleets = muster.fleets(policy)
    for version in _named(policy):
        if version not in fleets:
            raise Invalid(f"{lane.service}: there is no version {version}")
    choosers = tuple(choose for make in CHOOSERS if (choose := make(policy, ground)) is not None)
    hearers = tuple(
        Hearer(
            shadow.copier(each, ground),
            Copy(fleets[each.version], each),
            {"method": Omitted(each.version, "method"), "sampled": Omitted(each.version, "sampled")},
        )
        for each in policy.shadow or ()
    )
    fall = hasher(ground.salt) if policy.balance == "hash" else None
    return Track(lane, policy, fleets, choosers, hearers, _split(policy, fleets), fall)


def _release(policy: Policy) -> str:
    return policy.progressive.release if policy.progressive is not None else ""


def has_strategy(policy: Policy) -> bool:
    """Whether the policy itself says who answers when no flag does."""
    return not (policy.rolling is None and policy.blue_green is None and policy.canary is None)


def asks_identity(policy: Policy) -> bool:
    """Whether who is asking can change a plan under this policy."""
    is_drawn = policy.canary is not None and len(canary.drawable(policy.canary)) > 1
    return is_drawn or policy.balance == "hash" or any(needs_identity(when) for when in _whens(policy))


def flags_asked(policy: Policy) -> Iterator[str]:
    """The feature flags that can change a plan under this policy, in the order in which they are asked."""
    for when in _whens(policy):
        yield from flags_of(when)
    if policy.canary is not None and policy.canary.flag is not None:
        yield policy.canary.flag


def _whens(policy: Policy) -> list[When]:
    whens = [flag.when for flag in policy.flags or ()]
    if policy.blue_green is not None and policy.blue_green.preview is not None:
        whens.append(policy.blue_green.preview.when)
    return whens + [each.when for each in policy.shadow or () if each.when is not None]


def _named(policy: Policy) -> list[str]:
    named = [flag.version for flag in policy.flags or ()]
    named += [each.version for each in policy.shadow or ()]
    if policy.rolling is not None:
        named.append(policy.rolling.version)
    if policy.blue_green is not None:
        named.append(policy.blue_green.active)
        named += [policy.blue_green.preview.version] if policy.blue_green.preview is not None else []
    if policy.canary is not None:
        named += canary.shares(policy.canary)
    return named


T = TypeVar("T")


def _either(own: T | None, inherited: T | None) -> T | None:
    return inherited if own is None else own


def inherited(service: Service, route: Route) -> Policy:
    """What holds on the route: its own keys, else the service's; one own strategy replaces the service's."""
    strategist: Policy = route if has_strategy(route) else service
    return Policy(
        rolling=strategist.rolling,
        blue_green=strategist.blue_green,
        canary=strategist.canary,
        progressive=_either(route.progressive, strategist.progressive),
        flags=_either(route.flags, service.flags),
        shadow=_either(route.shadow, service.shadow),
        timeouts=_either(route.timeouts, service.timeouts),
        retries=_either(route.retries, service.retries),
        rescue=_either(route.rescue, service.rescue),
        limits=_either(route.limits, service.limits),
        balance=_either(route.balance, service.balance),
        headers=_either(route.headers, service.headers),
        rewrite=_either(route.rewrite, service.rewrite),
        redirect=_either(route.redirect, service.redirect),
        expose_version=_either(route.expose_version, service.expose_version),
    )


def lane(service: Service, route: str, policy: Policy, prefix: bytes) -> Lane:
    """What holds for every request of the route."""
    return Lane(
        service.name,
        route,
        timeouts=policy.timeouts,
        retries=policy.retries,
        rescue=policy.rescue is not False,
        limits=policy.limits,
        headers=policy.headers,
        rewrite=policy.rewrite,
        redirect=policy.redirect,
        expose_version=bool(policy.expose_version),
        prefix=prefix,
        balance=policy.balance or "least_busy",
    )
