"""Explain: ask the live table what it would do with a request, and why nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from proxy.conditions import Identity, When, flags_of, why_not
from proxy.errors import NoRoute, NoService
from proxy.model import Dice, Request
from proxy.plan import Plan
from proxy.routing import Junction
from proxy.rules import Policy
from proxy.strategies import blue_green, canary, shadow
from proxy.table import Table
from proxy.track import Track, flags_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A route or a rule that came before, and why it did not match."""

    kind: str
    """`route`, `flag` or `preview`"""
    name: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """A shadow: whether it hears this request, and why."""

    version: str
    percent: float
    hears: bool
    because: str
    may_hear: bool = False
    """Whether chance decides, so that the next one like this may fare otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A feature flag that the routing asks or the application is told of, and what it is for this request."""

    flag: str
    variant: str
    """"" where there is none."""
    reason: str
    """`STATIC`, `DEFAULT`, `TARGETING_MATCH`, `SPLIT`, `DISABLED` or `ERROR`, as OpenFeature calls them."""
    told: bool
    """Whether the application gets it in `x-shunt-flags`."""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of a request; `dataclasses.asdict` makes JSON of it, `str` lines for people."""

    method: str
    host: str
    target: str
    service: str = ""
    route: str = ""
    """"" for the service's own strategy."""
    version: str = ""
    reason: str = ""
    """`rolling`, `active`, `preview`, `canary`, `flag:<name>`"""
    share: float = 1.0
    """The part of those who come so far that get this version, 0 to 1."""
    bucket: int | None = None
    """Where the identity falls, 0 to 2**32 - 1; None when nothing was drawn or there is no identity."""
    identified: bool = False
    targets: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    rescuer: str = ""
    passed: tuple[Passed, ...] = ()
    copies: tuple[Hearing, ...] = ()
    flags: tuple[Asked, ...] = ()
    status: int = 0
    """The status of Shunt's own answer when nobody is asked, else 0."""
    error: str = ""

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def explain(table: Table, request: Request, dice: Dice, *, identity: Identity = None, now: float = 0.0) -> Explanation:
    """Plan the request with the live code and say how it came to that; `identity` stands for what the request carries.

    Raises nothing: a request that nobody answers is explained too.
    """
    asked = Explanation(method=request.method.decode(), host=request.host, target=request.target.decode("latin-1"))
    try:
        junction = table.junction(request.host)
    except NoService as fault:
        return replace(asked, status=fault.status, error=str(fault))
    identity = identity or junction.identify(request)
    try:
        track = junction.track(request, identity, dice)
        plan = track.plan(request, identity, None, dice)
    except NoRoute as fault:
        passed = tuple(_routes_before(junction, None, request, identity, dice))
        service = junction.service.name
        return replace(asked, service=service, passed=passed, status=fault.status, error=str(fault))
    return replace(
        asked,
        service=junction.service.name,
        route=track.lane.route,
        version=plan.choice.version,
        reason=plan.choice.reason,
        share=_share(track.policy, plan),
        bucket=plan.choice.bucket,
        identified=identity is not None,
        targets=tuple(str(target.address) for target in plan.fleet.targets),
        stand_ins=tuple(fleet.version for fleet in plan.stand_ins),
        rescuer=plan.rescuer.version if plan.rescuer is not None else "",
        passed=(
            *_routes_before(junction, track, request, identity, dice),
            *_rules_before(junction, track.policy, plan, request, identity, dice),
        ),
        copies=tuple(_hearings(junction, track.policy, plan, request, identity, dice)),
        flags=tuple(_asked(junction, track.policy, request, identity)),
    )


def _share(policy: Policy, plan: Plan) -> float:
    if policy.canary is None or plan.choice.reason != "canary":
        return 1.0
    if policy.canary.flag is not None:
        drawn = plan.choice.weight if plan.choice.version == policy.canary.candidate else 1 - plan.choice.weight
        return drawn if plan.choice.randomised else 1.0
    return canary.shares(policy.canary)[plan.choice.version]


_NOT_DRAWN = "it is drawn for each request without identity, and was not this time"


def _routes_before(
    junction: Junction, track: Track | None, request: Request, identity: Identity, dice: Dice
) -> Iterator[Passed]:
    for route, match in junction.by_precedence():
        reason = why_not(match, junction.ground.context(route.name), request, identity, dice)
        if track is not None and route.name == track.lane.route and reason is None:
            return
        yield Passed(kind="route", name=route.name, because=reason or _NOT_DRAWN)


def _rules_before(
    junction: Junction, policy: Policy, plan: Plan, request: Request, identity: Identity, dice: Dice
) -> Iterator[Passed]:
    for kind, name, reason, when in _rules(policy):
        if plan.choice.reason == reason:
            return
        because = why_not(when, junction.ground.context(name), request, identity, dice)
        yield Passed(kind=kind, name=name, because=because or _NOT_DRAWN)


def _rules(policy: Policy) -> Iterator[tuple[str, str, str, When]]:
    """Kind, name, the choice's reason and condition of each rule that is asked before the strategy, in order."""
    for flag in policy.flags or ():
        yield "flag", flag.name, f"flag:{flag.name}", flag.when
    if policy.blue_green is not None and policy.blue_green.preview is not None:
        yield "preview", blue_green.PREVIEW, blue_green.PREVIEW, policy.blue_green.preview.when


def _hearings(
    junction: Junction, policy: Policy, plan: Plan, request: Request, identity: Identity, dice: Dice
) -> Iterator[Hearing]:
    for each in policy.shadow or ():
        hears = any(copy.shadow is each for copy in plan.copies)
        missing: str | None = None
        if not hears:
            context = junction.ground.context(shadow.rule(each))
            missing = why_not(each.when or When(), context, request, identity, dice)
            missing = missing or why_not(When(method=each.methods), context, request, identity, dice)
        yield Hearing(
            version=each.version,
            percent=each.percent,
            hears=hears,
            because=missing or f"{each.percent:g} % of the requests",
            may_hear=missing is None and 0 < each.percent < 100,
        )


def _asked(junction: Junction, policy: Policy, request: Request, identity: Identity) -> Iterator[Asked]:
    """Every flag that can have had a part in it, once."""
    told = junction.service.flag_headers
    by_routes = (key for _, match in junction.by_precedence() for key in flags_of(match))
    for key in dict.fromkeys((*by_routes, *flags_asked(policy), *told)):
        if junction.ground.flags is None:
            yield Asked(flag=key, variant="", reason="ERROR", told=False, error="there are no flags")
            continue
        found = junction.ground.flags.decide(key, request, identity)
        error = found.error.details if found.error is not None else ""
        is_told = key in told and found.variant is not None
        yield Asked(flag=key, variant=found.variant or "", reason=found.reason, told=is_told, error=error)


# --- for people ---------------------------------------------------------------------------


def _lines(said: Explanation) -> Iterator[str]:
    yield f"{said.method} {said.target} for {said.host or 'no host'}"
    for each in said.passed:
        yield f"  not {each.kind} {each.name}: {each.because}"
    if said.error:
        yield f"  answered {said.status} by the proxy itself: {said.error}"
        return
    yield f"  service {said.service}, {f'route {said.route}' if said.route else 'its own strategy'}"
    yield f"  version {said.version} ({_why(said)})"
    yield f"    at {', '.join(said.targets) or 'no target: all are drained'}"
    if said.stand_ins:
        yield f"    without a usable target {', '.join(said.stand_ins)} stands in"
    if said.rescuer:
        yield f"    should it fail, {said.rescuer} rescues"
    for hearing in said.copies:
        if hearing.may_hear:
            yield f"  {hearing.version} may hear a copy ({hearing.percent:g} %)"
        else:
            yield f"  {hearing.version} {'hears a copy' if hearing.hears else 'hears no copy'}: {hearing.because}"
    for asked in said.flags:
        told = ", told to the application" if asked.told else ""
        yield f"  flag {asked.flag} is {asked.variant or 'undecided'} ({asked.error or asked.reason}){told}"


def _why(said: Explanation) -> str:
    if said.reason != "canary":
        return said.reason
    if said.bucket is not None:
        drawn = f", the identity falls at {said.bucket / 2**32:.2%}"
    else:
        drawn = ", drawn for each request: no identity" if said.share < 1 else ""
    return f"canary, share {said.share:.4g}{drawn}"
