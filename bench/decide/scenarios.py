"""Every claim about the judge, with its bar, as something to play from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sin, sqrt, tau

from bench.decide.rivals import flagger_rolls_back, z_test_rolls_back
from bench.decide.worlds import SlowWorld, StickyWorld, Verdict, World, errors, latencies, sticky

ALPHA = 0.01
LAST_STEP = 1800.0
"""When the 50 % step begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`share` of the runs must be good; a run is good as `is_good` says."""

    name: str
    play: Callable[[int], Verdict]
    is_good: Callable[[Verdict], bool]
    share: float
    runs: int
    full_runs: int
    is_null: bool = False
    has_rivals: bool = False

    def bar(self, runs: int) -> float:
        """The share asked for; false alarms are allowed three standard deviations of chance above alpha."""
        return 1 - ALPHA - 3 * sqrt(ALPHA * (1 - ALPHA) / runs) if self.is_null else self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a scenario."""

    name: str
    runs: int
    good: float
    bar: float
    median_requests: float | None
    """Candidate requests until rollback, of the runs that were rolled back."""
    p95_requests: float | None
    flagger: float | None
    """Share of the runs that Flagger's rule rolls back."""
    z_test: float | None

    @property
    def has_passed(self) -> bool:
        """Whether the bar is met."""
        return self.good >= self.bar


def run(scenario: Scenario, *, is_full: bool) -> Result:
    """Play the scenario from as many seeds as it wants."""
    runs = scenario.full_runs if is_full else scenario.runs
    verdicts = [scenario.play(seed) for seed in range(runs)]
    requests = sorted(verdict.candidate_requests for verdict in verdicts if verdict.rolled_back)
    return Result(
        name=scenario.name,
        runs=runs,
        good=sum(map(scenario.is_good, verdicts)) / runs,
        bar=scenario.bar(runs),
        median_requests=requests[len(requests) // 2] if requests and not scenario.is_null else None,
        p95_requests=requests[int(0.95 * len(requests))] if requests and not scenario.is_null else None,
        flagger=sum(flagger_rolls_back(v.minutes) for v in verdicts) / runs if scenario.has_rivals else None,
        z_test=sum(z_test_rolls_back(v.minutes) for v in verdicts) / runs if scenario.has_rivals else None,
    )


def scenarios() -> Iterator[Scenario]:
    """All of them, healthy candidates first."""
    yield from _healthy_errors()
    yield from _healthy_latency()
    yield from _bad_errors()
    yield from _bad_latency()
    yield from _sticky()


def _constant(rate: float) -> Callable[[float], float]:
    return lambda _second: rate


def _kept(verdict: Verdict) -> bool:
    return not verdict.rolled_back


def _within(requests: int) -> Callable[[Verdict], bool]:
    return lambda verdict: verdict.rolled_back and 0 < verdict.candidate_requests <= requests


def _null(name: str, play: Callable[[int], Verdict], runs: int, full_runs: int, *, has_rivals: bool) -> Scenario:
    return Scenario(
        name=f"healthy, {name}",
        play=play,
        is_good=_kept,
        share=1 - ALPHA,
        runs=runs,
        full_runs=full_runs,
        is_null=True,
        has_rivals=has_rivals,
    )


def _healthy_errors() -> Iterator[Scenario]:
    for rate in (0.001, 0.005, 0.01, 0.02):
        world = World(stable=_constant(rate), candidate=_constant(rate))
        yield _null(f"{rate:.1%} errors", lambda seed, world=world: errors(world, seed), 250, 5000, has_rivals=True)

    def spiking(second: float) -> float:
        return 0.10 if LAST_STEP - 300 <= second < LAST_STEP - 180 or LAST_STEP <= second < LAST_STEP + 60 else 0.01

    spike = World(stable=spiking, candidate=spiking)
    yield _null("1.0% errors, spikes of 10% in both", lambda seed: errors(spike, seed), 250, 5000, has_rivals=True)


def _healthy_latency() -> Iterator[Scenario]:
    drifting = SlowWorld(drift=lambda second: 1 + 0.5 * sin(tau * second / 900))
    yield _null("latency drifts ±50% in both", lambda seed: latencies(drifting, seed), 100, 5000, has_rivals=False)
    slower = SlowWorld(slower=1.05)
    yield _null("latency x1.05, tolerated", lambda seed: latencies(slower, seed), 60, 2000, has_rivals=False)
    heavy = StickyWorld(heavy=20)
    yield _null("sticky, 20 people half the errors", lambda seed: sticky(heavy, seed), 80, 5000, has_rivals=False)


def _bad(name: str, world: World, share: float, requests: int, runs: int) -> Scenario:
    return Scenario(
        name=name,
        play=lambda seed: errors(world, seed),
        is_good=_within(requests),
        share=share,
        runs=runs,
        full_runs=2000,
        has_rivals=True,
    )


def _bad_errors() -> Iterator[Scenario]:
    cases = (
        (0.01, 0.05, 900, 0.95, (0.01, 0.05, 0.20)),
        (0.001, 0.01, 2800, 0.95, (0.01, 0.05, 0.20)),
        (0.01, 0.02, 14_000, 0.95, (0.05, 0.20)),
        (0.01, 1.0, 25, 0.99, (0.01, 0.05, 0.20)),
    )
    for stable, candidate, requests, share, weights in cases:
        for weight in weights:
            world = World(
                stable=_constant(stable),
                candidate=_constant(candidate),
                steps=(weight,),
                step_seconds=360_000.0,
                limit=requests,
            )
            name = f"errors {stable:.1%} to {candidate:.0%} at {weight:.0%}, within {requests:,}"
            yield _bad(name, world, share, requests, 200)
    for speed in (20.0, 100.0, 500.0):
        world = World(
            stable=_constant(0.01),
            candidate=lambda second: 0.05 if second >= LAST_STEP else 0.01,
            bad_from=LAST_STEP,
            requests_per_second=speed,
            limit=1500,
        )
        name = f"errors 1.0% to 5% from the 50% step on, {speed:.0f} rps, within 1,500"
        yield _bad(name, world, 0.95, 1500, 400 if speed < 500 else 100)


def _bad_latency() -> Iterator[Scenario]:
    cases = (
        ("latency x1.5", 1.5, 0.0, 400),
        ("latency x1.25", 1.25, 0.0, 2000),
        ("2% of requests +500 ms", 1.0, 0.02, 4000),
    )
    for name, slower, tail, requests in cases:
        for weight in (0.05, 0.20):
            world = SlowWorld(
                slower=slower,
                tail_share=tail,
                steps=(weight,),
                step_seconds=36_000.0,
                requests_per_second=100,
                limit=requests,
            )
            yield Scenario(
                name=f"{name} at {weight:.0%}, within {requests:,}",
                play=lambda seed, world=world: latencies(world, seed),
                is_good=_within(requests),
                share=0.90,
                runs=100,
                full_runs=1000,
            )


def _sticky() -> Iterator[Scenario]:
    bad = StickyWorld(candidate=_constant(0.05))
    yield Scenario(
        name="sticky, bad from the start, caught by the 20% step",
        play=lambda seed: sticky(bad, seed),
        is_good=lambda verdict: verdict.rolled_back and verdict.seconds < LAST_STEP,
        share=0.95,
        runs=40,
        full_runs=500,
    )
    turning = StickyWorld(candidate=lambda second: 0.05 if second >= LAST_STEP else 0.01)
    yield Scenario(
        name="sticky, bad from the 50% step on, within 30 s",
        play=lambda seed: sticky(turning, seed),
        is_good=lambda verdict: verdict.rolled_back and LAST_STEP <= verdict.seconds <= LAST_STEP + 30,
        share=0.95,
        runs=40,
        full_runs=500,
    )
