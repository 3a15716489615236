"""Canary: shares by weight; nobody who has the candidate loses it while the weight grows."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from math import log

from proxy.conditions import BUCKETS, STRICT, Identity
from proxy.errors import Invalid
from proxy.model import Choice, Dice, Request
from proxy.strategies.sticky import Choose, Ground, hasher
from proxy.units import Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """`stable`, `candidate` and either `weight` (the candidate's percentage) or `flag`; or `weights` by version."""

    __pydantic_config__ = STRICT

    stable: str | None = None
    candidate: str | None = None
    weight: Percent = 0.0
    flag: str | None = None
    """A feature flag that draws instead of `weight`: whoever has it on gets the candidate."""
    weights: dict[str, float] = field(default_factory=dict)
    failover: bool = True


def shares(settings: Canary) -> dict[str, float]:
    """Every version's share, 0 to 1, in the order written; Invalid if there is nothing to share out."""
    total = sum(settings.weights.values())
    if total > 0:
        return {version: weight / total for version, weight in settings.weights.items()}
    if settings.weights or settings.stable is None or settings.candidate is None:
        raise Invalid("canary: needs stable and candidate, or weights of which one is above 0")
    if settings.stable == settings.candidate:
        raise Invalid(f"canary: stable and candidate are both {settings.stable}")
    share = settings.weight / 100
    return {settings.stable: 1 - share, settings.candidate: share}


def drawable(settings: Canary) -> list[str]:
    """The versions that can be drawn, the greatest share first; of a flag's split both, for it can change any time."""
    split = shares(settings)
    ranked = sorted(split, key=lambda version: -split[version])
    return ranked if settings.flag is not None else [version for version in ranked if split[version] > 0]


def chooser(settings: Canary | None, ground: Ground) -> Choose | None:
    """The drawn version; with only one version above 0 nothing is drawn and nothing is randomised."""
    if settings is None:
        return None
    if settings.flag is not None:
        stable, candidate = shares(settings)
        return _by_flag(stable, candidate, settings.flag, ground)
    above_zero = {version: share for version, share in shares(settings).items() if share > 0}
    if len(above_zero) == 1:
        return _certain(Choice(next(iter(above_zero)), "canary"))
    if settings.weights:
        return _by_rendezvous(above_zero, ground.salt)
    stable, candidate = above_zero
    return _by_threshold(stable, candidate, above_zero[candidate], ground.salt)


def _certain(choice: Choice) -> Choose:
    def choose(request: Request, identity: Identity, dice: Dice) -> Choice:
        return choice

    return choose


_new = tuple.__new__


def _by_threshold(stable: str, candidate: str, share: float, salt: str) -> Choose:
    """Candidate if and only if bucket < weight: the line moves, the identities stay where they are."""
    limit = share * BUCKETS
    fall = hasher(salt)
    new = tuple.__new__

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice:
        if identity is None:
            return Choice(candidate if dice.random() < share else stable, "canary", randomised=True, weight=share)
        bucket = fall(identity)
        # What Choice(...) does, for a third of its price: this is asked of every request.
        return new(Choice, (candidate if bucket < limit else stable, "canary", True, share, bucket))

    return choose


def _by_flag(stable: str, candidate: str, flag: str, ground: Ground) -> Choose:
    """Candidate if and only if the flag is on; drawn if a percentage of the flag decided, and only then compared."""
    if ground.flags is None:
        return _certain(Choice(stable, "canary"))
    decide, fall, new = ground.flags.about(flag), hasher(ground.salt), tuple.__new__
    # The candidate's share by the share of what the flag said, 0 where nothing is drawn.
    weights_on: dict[float | None, float] = {None: 0.0, 1.0: 0.0}
    weights_off = weights_on.copy()
    certain = {version: Choice(version, "canary") for version in (stable, candidate)}

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice:
        found = decide(request, identity)
        share = found.share
        version, weights = (candidate, weights_on) if found.value is True else (stable, weights_off)
        weight = weights.get(share)
        if weight is None:
            assert share is not None
            # Free of what binary fractions add, for 1 - 0.9 is 0.1: the judge compares within one weight.
            weight = weights[share] = round(share if version == candidate else 1 - share, 9)
        if not weight or identity is None:
            return certain[version]
        return new(Choice, (version, "canary", True, weight, fall(identity)))

    return choose


def _by_rendezvous(split: dict[str, float], salt: str) -> Choose:
    """Each version bids -ln(u) / weight for the identity, u its own hash of it; the lowest bid wins.

    Bids are exponentially distributed with the weight as rate, so version i wins with probability
    weight_i / sum; and as only its own bid depends on its weight, a version that grows only takes.
    """
    bidders = tuple((version, share, hasher(f"{salt}\0{version}")) for version, share in split.items())
    versions = tuple(split)
    upper = tuple(accumulate(split.values()))[:-1]
    fall = hasher(salt)

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice:
        if identity is None:
            version = versions[bisect_right(upper, dice.random())]
            return Choice(version, "canary", randomised=True, weight=split[version])
        lowest = float("inf")
        for bidder, share, hashed in bidders:
            bid = -log((hashed(identity) + 0.5) / BUCKETS) / share
            if bid < lowest:
                lowest, version = bid, bidder
        return Choice(version, "canary", randomised=True, weight=split[version], bucket=fall(identity))

    return choose
