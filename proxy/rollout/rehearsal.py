"""A rehearsal: what would happen, how long it would take, and how many would be hurt."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, exp, log, pi, sqrt

from proxy.analysis.histogram import bucket_of
from proxy.analysis.judge import Judge
from proxy.analysis.witness import ArmCounts, Sighting
from proxy.model import Dice
from proxy.rollout.machine import advance, begin
from proxy.rollout.programme import Programme
from proxy.rollout.state import ACTIVE, Announce, Move, Phase, Readings, Rollout, Turn

_FEW = 200
_SAMPLED = 50
"""Latencies drawn per arm and second; more of them change nothing but the time a rehearsal takes."""
_SIGMA = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The traffic that is assumed. Rates are shares of 1, latencies medians."""

    requests_per_second: float = 100.0
    stable_error_rate: float = 0.001
    candidate_error_rate: float = 0.001
    stable_seconds: float = 0.05
    candidate_seconds: float = 0.05
    most_seconds: float = 7 * 86400.0
    """Where a rehearsal that would wait for a person or for traffic ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a rehearsal, so many seconds after its start."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """How it went."""

    phase: Phase
    reason: str
    seconds: float
    candidate_requests: int
    candidate_failed: int
    """How many users would have been hurt by the candidate."""
    highest_evidence: float
    events: tuple[Event, ...] = field(default_factory=tuple)


def rehearse(programme: Programme, assumed: Assumptions, dice: Dice) -> Rehearsal:
    """Play the programme second by second through the machine and the judge; a person's gate ends it."""
    judge, events, highest = Judge(programme.analysis, 0.0), list[Event](), 0.0
    judge.learn(_samples(assumed.stable_seconds, 5 * _FEW, dice))
    rollout = _noted(begin(programme, 0.0), 0.0, events)
    now = 0.0
    while rollout.phase in ACTIVE and rollout.phase not in (Phase.GATED, Phase.FROZEN) and now < assumed.most_seconds:
        judge.enter(rollout.weight_since)
        if rollout.weight:
            judge.hear(_second(rollout.weight / 100, programme, assumed, dice), now)
        evidence = judge.weigh(now).total
        highest = max(highest, evidence)
        readings = Readings(
            evidence=evidence,
            units=judge.units,
            units_since=rollout.weight_since,
            gates={gate: True for gate in programme.gates - {"rollback"}},
            hold="done",
        )
        rollout = _noted(advance(rollout, now, readings, programme), now, events)
        now += 1.0
    return Rehearsal(
        phase=rollout.phase,
        reason=rollout.reason,
        seconds=max(0.0, now - 1.0),
        candidate_requests=judge.requests.candidate,
        candidate_failed=judge.requests.candidate_failed,
        highest_evidence=highest,
        events=tuple(events),
    )


def _noted(turn: Turn, now: float, events: list[Event]) -> Rollout:
    rollout, actions = turn
    events.extend(Event(seconds=now, text=action.text) for action in actions if isinstance(action, Announce))
    has_moved = any(isinstance(action, Move) for action in actions)
    if has_moved and not any(isinstance(action, Announce) for action in actions):
        events.append(Event(seconds=now, text=f"the candidate gets {rollout.weight:g} %"))
    return rollout


def _second(weight: float, programme: Programme, assumed: Assumptions, dice: Dice) -> Sighting:
    whole, part = divmod(assumed.requests_per_second, 1)
    requests = int(whole) + (dice.random() < part)
    candidate = _binomial(requests, weight, dice)
    tolerated = 1 + programme.analysis.latency_tolerance / 100
    return Sighting(
        "",
        "",
        programme.release,
        weight,
        _arm(requests - candidate, assumed.stable_error_rate, assumed.stable_seconds, dice),
        _arm(candidate, assumed.candidate_error_rate, assumed.candidate_seconds / tolerated, dice),
        {},
    )


def _arm(requests: int, error_rate: float, median_seconds: float, dice: Dice) -> ArmCounts:
    failed = _binomial(requests, error_rate, dice)
    return ArmCounts(requests, failed, requests, failed, _samples(median_seconds, min(requests, _SAMPLED), dice), {})


def _samples(median_seconds: float, count: int, dice: Dice) -> dict[int, int]:
    samples: dict[int, int] = {}
    for _ in range(count):
        bucket = bucket_of(median_seconds * exp(_SIGMA * _normal(dice)))
        samples[bucket] = samples.get(bucket, 0) + 1
    return samples


def _binomial(trials: int, chance: float, dice: Dice) -> int:
    """How many of so many trials succeed; by the normal curve when they are many."""
    if trials <= _FEW or not 0.05 < chance < 0.95:
        return sum(dice.random() < chance for _ in range(trials))
    drawn = round(trials * chance + _normal(dice) * sqrt(trials * chance * (1 - chance)))
    return min(trials, max(0, drawn))


def _normal(dice: Dice) -> float:
    return sqrt(-2 * log(1 - dice.random())) * cos(2 * pi * dice.random())
