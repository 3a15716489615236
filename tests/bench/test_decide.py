"""The judge's claims, played from a few seeds; `bench.decide` plays them all."""

from __future__ import annotations

from random import Random
from statistics import mean

import pytest

from bench.decide.dice import binomial, gap, lognormal_buckets
from bench.decide.rivals import Minute, flagger_rolls_back, z_test_rolls_back
from bench.decide.scenarios import Scenario, run, scenarios

QUICK = [scenario for scenario in scenarios() if "500 rps" not in scenario.name]


@pytest.mark.parametrize("scenario", QUICK, ids=[scenario.name for scenario in QUICK])
def test_a_few_seeds_meet_the_bar_with_room_for_chance(scenario: Scenario) -> None:
    verdicts = [scenario.play(seed) for seed in range(1000, 1004)]
    assert sum(map(scenario.is_good, verdicts)) >= 3


def test_a_scenario_is_the_same_from_the_same_seeds() -> None:
    scenario = next(each for each in scenarios() if "within 25" in each.name)
    assert run(scenario, is_full=False) == run(scenario, is_full=False)


def test_the_dice_are_fair_on_average() -> None:
    dice = Random(1)
    for trials, chance in ((20, 0.3), (1000, 0.01), (1000, 0.5)):
        assert mean(binomial(dice, trials, chance) for _ in range(3000)) == pytest.approx(trials * chance, rel=0.05)
    assert mean(gap(dice, 0.05) for _ in range(5000)) == pytest.approx(20, rel=0.1)
    assert (binomial(dice, 5, 0.0), binomial(dice, 5, 1.0), gap(dice, 1.0)) == (0, 5, 1)
    assert lognormal_buckets(0.05, 0.5, 0.02, 0.5)[-1] == pytest.approx(1.0)


def test_the_rivals_do_what_they_say() -> None:
    bad, good = Minute(900, 9, 100, 2), Minute(900, 9, 100, 0)
    assert not flagger_rolls_back([bad] * 4 + [good] * 9)
    assert flagger_rolls_back([good, bad] * 5)
    assert not z_test_rolls_back([Minute(900, 9, 100, 1)] * 9)
    assert z_test_rolls_back([Minute(900, 9, 100, 9)])
