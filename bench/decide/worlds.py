"""Worlds: traffic from a seed, heard by the production judge until it rolls back or the rollout is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from bench.decide.dice import binomial, gap, lognormal_buckets
from bench.decide.rivals import Minute
from proxy.analysis.finding import Decision, decide
from proxy.analysis.judge import Judge
from proxy.analysis.witness import ERROR, ArmCounts, Item, Sighting, mixed
from proxy.strategies.progressive import Analysis

NOTHING = ArmCounts(0, 0, 0, 0, {}, {})
STEP_SECONDS = 600.0
STEPS = (0.01, 0.05, 0.20, 0.50)
TOLERANCE = 0.10


class Verdict(NamedTuple):
    """How a simulated rollout ended."""

    rolled_back: bool
    candidate_requests: int
    """Since the candidate turned bad, until it was rolled back."""
    seconds: float
    minutes: tuple[Minute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Traffic whose requests are drawn on their own; rates are functions of the second."""

    stable: Callable[[float], float]
    candidate: Callable[[float], float]
    steps: Sequence[float] = STEPS
    step_seconds: float = STEP_SECONDS
    requests_per_second: float = 100.0
    bad_from: float = 0.0
    limit: int | None = None
    """Give up after so many candidate requests since `bad_from`."""


def errors(world: World, seed: int) -> Verdict:
    """Play error by error; successes cost the errors part nothing, so between them only counts are drawn."""
    dice = Random(seed)
    judge = Judge(Analysis(), 0.0)
    minutes: list[Minute] = []
    bad = 0
    for number in range(int(len(world.steps) * world.step_seconds // 60)):
        weight = world.steps[int(number * 60 // world.step_seconds)]
        minute, hurt, crossed = _minute(world, judge, number * 60.0, weight, dice)
        minutes.append(minute)
        if number * 60.0 >= world.bad_from:
            bad += hurt
        if crossed is not None:
            return Verdict(True, bad, crossed, tuple(minutes))
        if world.limit is not None and bad > world.limit:
            break
    return Verdict(False, bad, len(minutes) * 60.0, tuple(minutes))


def _minute(world: World, judge: Judge, start: float, weight: float, dice: Random) -> tuple[Minute, int, float | None]:
    """One minute; (counts, candidate requests until its end or the crossing, when it crossed)."""
    stable_rate, candidate_rate = world.stable(start), world.candidate(start)
    chance = weight * candidate_rate + (1 - weight) * stable_rate
    whose = weight * candidate_rate / chance
    quiet = weight * (1 - candidate_rate) / (1 - chance) if chance < 1 else 0.0
    requests, at, pending = round(world.requests_per_second * 60), 0, 0
    sums = [0, 0, 0, 0]
    while True:
        step = gap(dice, chance)
        is_over = at + step > requests
        good = requests - at if is_over else step - 1
        by_candidate = binomial(dice, good, quiet)
        sums[0] += good - by_candidate
        sums[2] += by_candidate
        if is_over:
            judge.hear(_sighting(weight, requests - at + pending, pending, 0), start + 59.999)
            return Minute(*sums), sums[2], None
        at += step
        if dice.random() >= whose:
            sums[0], sums[1], pending = sums[0] + 1, sums[1] + 1, pending + 1
            continue
        sums[2], sums[3] = sums[2] + 1, sums[3] + 1
        now = start + at / world.requests_per_second
        judge.hear(_sighting(weight, pending, pending, 1), now)
        pending = 0
        if decide(judge.weigh(now).total, Analysis(), 0, 0.0) is Decision.ROLLBACK:
            return Minute(*sums), sums[2], now


def _sighting(weight: float, stable: int, stable_failed: int, candidate_failed: int) -> Sighting:
    by_stable = ArmCounts(stable, stable_failed, stable, stable_failed, {}, {})
    by_candidate = ArmCounts(candidate_failed, candidate_failed, candidate_failed, candidate_failed, {}, {})
    return Sighting("shop", "", "r", weight, by_stable, by_candidate, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowWorld:
    """Traffic with latencies around 50 ms, lognormal; nothing fails."""

    slower: float = 1.0
    tail_share: float = 0.0
    tail_seconds: float = 0.5
    drift: Callable[[float], float] = field(default=lambda _second: 1.0)
    steps: Sequence[float] = STEPS
    step_seconds: float = STEP_SECONDS
    requests_per_second: int = 20
    limit: int | None = None


def latencies(world: SlowWorld, seed: int) -> Verdict:
    """Play second by second: both arms' first bytes by log bucket, one look a second."""
    dice = Random(seed)
    judge = Judge(Analysis(warm_up=0.0), 0.0)
    judge.learn(Counter(dice.choices(_BUCKETS, cum_weights=lognormal_buckets(0.05, 0.5, 0.0, 0.0), k=5000)))
    candidate = 0
    for second in range(int(len(world.steps) * world.step_seconds)):
        weight = world.steps[int(second // world.step_seconds)]
        drawn = binomial(dice, world.requests_per_second, weight)
        drift = round(world.drift(float(second)), 2)
        stable = lognormal_buckets(0.05 * drift, 0.5, 0.0, 0.0)
        shortened = 1 + TOLERANCE
        slow = lognormal_buckets(
            0.05 * drift * world.slower / shortened, 0.5, world.tail_share, world.tail_seconds / shortened
        )
        by_stable = _samples(dice, stable, world.requests_per_second - drawn)
        judge.hear(Sighting("shop", "", "r", weight, by_stable, _samples(dice, slow, drawn), {}), second + 0.5)
        candidate += drawn
        if decide(judge.weigh(second + 0.5).total, Analysis(), 0, 0.0) is Decision.ROLLBACK:
            return Verdict(True, candidate, float(second))
        if world.limit is not None and candidate > world.limit:
            break
    return Verdict(False, candidate, 0.0)


def _samples(dice: Random, cumulated: Sequence[float], count: int) -> ArmCounts:
    if not count:
        return NOTHING
    samples = Counter(dice.choices(_BUCKETS, cum_weights=cumulated, k=count))
    return ArmCounts(count, 0, count, 0, samples, {})


_BUCKETS = range(len(lognormal_buckets(0.05, 0.5, 0.0, 0.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StickyWorld:
    """People who come back: 4,000 identities, 12 requests a minute each."""

    identities: int = 4000
    requests_per_minute: float = 12.0
    stable: float = 0.01
    candidate: Callable[[float], float] = field(default=lambda _second: 0.01)
    heavy: int = 0
    """So many identities make half of all errors, in both arms."""
    steps: Sequence[float] = STEPS


def sticky(world: StickyWorld, seed: int) -> Verdict:
    """Play each identity's first error and first latency per step, in the order of their times."""
    dice = Random(seed)
    judge = Judge(Analysis(warm_up=0.0), 0.0)
    judge.learn(Counter(dice.choices(_BUCKETS, cum_weights=lognormal_buckets(0.05, 0.5, 0.0, 0.0), k=5000)))
    places = [dice.random() for _ in range(world.identities)]
    rates = _error_rates(world)
    for number, weight in enumerate(world.steps):
        start = number * STEP_SECONDS
        by_second = _first_events(world, weight, start, places, rates, dice)
        for second in sorted(by_second):
            now = start + second + 0.5
            judge.hear(Sighting("shop", "", "r", weight, NOTHING, NOTHING, {}, tuple(by_second[second])), now)
            if decide(judge.weigh(now).total, Analysis(), 0, 0.0) is Decision.ROLLBACK:
                return Verdict(True, judge.units, now)
    return Verdict(False, judge.units, len(world.steps) * STEP_SECONDS)


def _error_rates(world: StickyWorld) -> list[float]:
    """Per identity and request; heavy ones share half of the errors, at most one per request."""
    if not world.heavy:
        return [world.stable] * world.identities
    half = world.stable * world.identities / 2
    heavy, others = min(1.0, half / world.heavy), half / (world.identities - world.heavy)
    return [heavy if number < world.heavy else others for number in range(world.identities)]


def _first_events(
    world: StickyWorld, weight: float, start: float, places: Sequence[float], rates: Sequence[float], dice: Random
) -> dict[int, list[Item]]:
    stable = lognormal_buckets(0.05, 0.5, 0.0, 0.0)
    candidate = lognormal_buckets(0.05 / (1 + TOLERANCE), 0.5, 0.0, 0.0)
    worse = world.candidate(start) / world.stable
    per_second = world.requests_per_minute / 60
    found: dict[int, list[Item]] = {}
    for number, (place, rate) in enumerate(zip(places, rates, strict=True)):
        is_candidate = place < weight
        first = dice.expovariate(per_second)
        if first < STEP_SECONDS:
            bucket = dice.choices(_BUCKETS, cum_weights=candidate if is_candidate else stable)[0]
            found.setdefault(int(first), []).append(Item(mixed(number), is_candidate, bucket))
        failing = rate * worse if is_candidate else rate
        error = dice.expovariate(per_second * min(1.0, failing)) if failing else STEP_SECONDS
        if error < STEP_SECONDS:
            found.setdefault(int(error), []).append(Item(mixed(number), is_candidate, ERROR))
    return found
