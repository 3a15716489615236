"""What judging costs: per response in the worker, per look and in bytes in the brain."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from random import Random
from timeit import repeat

from bench.decide.dice import lognormal_buckets
from bench.decide.worlds import STEPS
from proxy.analysis.judge import Judge
from proxy.analysis.witness import ArmCounts, Sighting, Watch, Witness
from proxy.model import Choice
from proxy.plan import Lane, Outcome, Plan
from proxy.strategies.progressive import Analysis
from proxy.targets import Fleet

LOOPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One figure and the most it may be."""

    name: str
    figure: float
    most: float
    unit: str

    @property
    def has_passed(self) -> bool:
        """Whether it is within its bound."""
        return self.figure <= self.most


def costs() -> list[Cost]:
    """All figures, the best of five rounds each."""
    witness, own, known = Witness(), _outcome(None), _outcome(7)
    witness.watch([Watch(service="shop", release="r", stable="v1", candidate="v2")])
    judge = _judge()
    now = len(STEPS) * 60.0
    bytes_kept = _size(judge, set()) - _size(judge._identities, set())
    return [
        Cost(name="a response, drawn on its own", figure=_micros(witness, own), most=0.5, unit="µs"),
        Cost(name="a response of somebody known", figure=_micros(witness, known), most=0.5, unit="µs"),
        Cost(name="a look", figure=min(repeat(lambda: judge.weigh(now), number=500)) / 500 * 1e6, most=50, unit="µs"),
        Cost(name="a rollout in memory", figure=bytes_kept / 1024, most=16, unit="KiB"),
    ]


def _micros(witness: Witness, outcome: Outcome) -> float:
    seen = witness.seen
    return min(repeat("seen(outcome)", number=LOOPS, globals={"seen": seen, "outcome": outcome})) / LOOPS * 1e6


def _outcome(bucket: int | None) -> Outcome:
    outcome = Outcome()
    choice = Choice("v2", "canary", True, 0.2, bucket)
    outcome.plan = Plan(Lane("shop", ""), Fleet("shop", "v2", ()), choice)
    outcome.first_byte = 0.02
    outcome.status = 200
    return outcome


def _judge() -> Judge:
    """One that has seen four weights, as after half an hour."""
    dice, judge = Random(1), Judge(Analysis(warm_up=0.0), 0.0)
    cumulated = lognormal_buckets(0.05, 0.5, 0.0, 0.0)
    for number, weight in enumerate(STEPS):
        for second in range(60):
            arms = [_arm(dice, cumulated, count) for count in (round(100 * (1 - weight)), round(100 * weight))]
            judge.hear(Sighting("shop", "", "r", weight, arms[0], arms[1], {}), number * 60.0 + second)
        judge.take_rows()
    return judge


def _arm(dice: Random, cumulated: tuple[float, ...], count: int) -> ArmCounts:
    samples: dict[int, int] = {}
    for bucket in dice.choices(range(len(cumulated)), cum_weights=cumulated, k=count):
        samples[bucket] = samples.get(bucket, 0) + 1
    failed = sum(dice.random() < 0.01 for _ in range(count))
    return ArmCounts(count, failed, count, failed, samples, {})


def _size(thing: object, counted: set[int]) -> int:
    if id(thing) in counted or isinstance(thing, (type, Analysis)):
        return 0
    counted.add(id(thing))
    size = sys.getsizeof(thing)
    if isinstance(thing, dict):
        return size + sum(_size(key, counted) + _size(value, counted) for key, value in thing.items())
    if isinstance(thing, (list, tuple, set)):
        return size + sum(_size(item, counted) for item in thing)
    slots = [slot for kind in type(thing).__mro__ for slot in getattr(kind, "__slots__", ())]
    return size + sum(_size(getattr(thing, slot), counted) for slot in slots if hasattr(thing, slot))
