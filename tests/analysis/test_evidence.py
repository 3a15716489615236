"""Evidence: what the formulas promise, against the formulas written out a second time."""

from __future__ import annotations

import json
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis import errors, latency
from proxy.analysis.capital import BY_CLOCK, BY_WEIGHT, Capital, reserve_after
from proxy.analysis.evidence import Evidence, Row, replay, told
from proxy.analysis.tally import CANDIDATE, QUANTILES, STABLE, Tally

WEIGHTS = st.sampled_from([0.01, 0.05, 0.2, 0.5, 0.9])
COUNTS = st.lists(st.integers(0, 40), min_size=16, max_size=16)
PERIODS = st.lists(st.tuples(st.integers(0, 3), WEIGHTS, COUNTS), max_size=12)


def tally(**counted: list[int]) -> Tally:
    made = Tally()
    for name, pair in counted.items():
        setattr(made, name, pair)
    return made


def test_the_errors_evidence_is_the_formula_of_its_documentation() -> None:
    weight, ratio, by_stable, by_candidate = 0.2, 1.25, 7, 5
    fair = weight * ratio / (weight * ratio + 1 - weight)
    for worse, found in zip(
        errors.GRID, errors.log_sums({weight: tally(errors=[by_stable, by_candidate])}, ratio), strict=True
    ):
        claimed = weight * ratio * worse / (weight * ratio * worse + 1 - weight)
        assert found == pytest.approx(by_candidate * log(claimed / fair) + by_stable * log((1 - claimed) / (1 - fair)))


def test_no_component_gains_on_average_while_the_candidate_is_no_worse() -> None:
    for weight in (0.01, 0.05, 0.2, 0.5, 0.9):
        fair = errors.share_of_errors(weight, 1.25)
        for by_stable, by_candidate in errors.bets(weight, 1.25):
            assert fair * exp(by_candidate) + (1 - fair) * exp(by_stable) == pytest.approx(1.0)
        for components in latency.bets(weight):
            for slow_stable, slow_candidate, fast_stable, fast_candidate in components:
                assert weight * exp(slow_candidate) + (1 - weight) * exp(slow_stable) == pytest.approx(1.0)
                assert weight * exp(fast_candidate) + (1 - weight) * exp(fast_stable) == pytest.approx(1.0)


def test_a_latency_bet_pays_by_how_often_each_arm_is_slow() -> None:
    weight = 0.3
    for quantile, components in zip(QUANTILES, latency.bets(weight), strict=True):
        for often, bet in zip(latency.GRIDS[quantile], components, strict=True):
            fast = (1 - often * (1 - quantile)) / quantile
            assert 0 < fast < 1
            assert bet[1] - bet[0] == pytest.approx(log(often))
            assert bet[3] - bet[2] == pytest.approx(log(fast))


def test_weights_of_nothing_and_everything_tell_nothing() -> None:
    crowd = {0.0: tally(errors=[9, 9]), 1.0: tally(errors=[9, 9])}
    assert errors.log_sums(crowd, 1.25) == [0.0] * len(errors.GRID)
    assert latency.log_sums(crowd) == [0.0] * len(latency.SHARES)


def test_the_prior_shares_of_both_evidences_are_all_there_is() -> None:
    assert sum(errors.SHARES) == pytest.approx(1.0)
    assert sum(latency.SHARES) == pytest.approx(1.0)
    assert sum((BY_CLOCK, BY_WEIGHT)) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(1, 10_000), WEIGHTS), max_size=20))
def test_moving_money_neither_makes_nor_loses_any(moves: list[tuple[int, float]]) -> None:
    capital = Capital(errors.SHARES)
    assert capital.worth([0.0] * len(errors.GRID)) == pytest.approx(1.0)
    for minute, weight in moves:
        cash = capital.cash
        capital.begin(minute, reserve_after(capital.reserve, weight))
        assert 0 < capital.cash <= cash
        assert capital.worth([0.0] * len(errors.GRID)) == pytest.approx(1.0)


def test_evidence_beyond_all_doubt_stays_a_number() -> None:
    capital = Capital(errors.SHARES)
    capital.begin(1, 0.5)
    for _ in range(5):
        capital.fold([1e6] * len(errors.GRID))
    assert 1e200 < capital.worth([1e6] * len(errors.GRID)) < float("inf")


def play(evidence: Evidence, periods: list[tuple[int, float, list[int]]]) -> list[Row]:
    rows = []
    for minutes, weight, counts in periods:
        row = evidence.begin(max(1, evidence.minute + minutes), reserve_after(evidence.reserve, weight))
        rows.extend([row] if row else [])
        evidence.stratum(weight).add(Tally.of(counts))
    return [*rows, evidence.row()]


@given(PERIODS)
def test_every_verdict_can_be_computed_again_from_its_counters(
    periods: list[tuple[int, float, list[int]]],
) -> None:
    rows = json.loads(json.dumps(play(Evidence(1.25), periods)))
    assert all(each.deviation <= 1e-9 for each in replay(rows, 1.25))


@given(PERIODS, PERIODS)
def test_a_replay_may_begin_at_any_logged_state(
    before: list[tuple[int, float, list[int]]], after: list[tuple[int, float, list[int]]]
) -> None:
    evidence = Evidence(1.25)
    play(evidence, before)
    evidence.begin(evidence.minute + 1, evidence.reserve)
    start = json.loads(json.dumps(evidence.state()))
    assert all(each.deviation <= 1e-9 for each in replay(play(evidence, after), 1.25, start))


def test_a_ledger_that_was_tampered_with_is_found_out() -> None:
    rows = play(Evidence(1.25), [(1, 0.2, [100, 20, 1, 9, *[0] * 12])])
    rows[-1]["strata"]["0.2"][3] = 8
    assert max(each.deviation for each in replay(rows, 1.25)) > 1e-9


@given(PERIODS)
def test_a_restart_is_not_a_second_chance(periods: list[tuple[int, float, list[int]]]) -> None:
    evidence = Evidence(1.25)
    play(evidence, periods)
    again = Evidence.restore(json.loads(json.dumps(evidence.state())), 1.25)
    assert again.weigh() == evidence.weigh()
    assert again.state() == evidence.state()


def test_a_tally_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 counters"):
        Tally.of([1, 2, 3])


def test_arms_are_stable_then_candidate() -> None:
    assert (STABLE, CANDIDATE) == (0, 1)


@pytest.mark.parametrize(
    ("total", "said"), [(0.5, "0.5"), (99.9, "99.9"), (123456.7, "123,457"), (4.08e41, "> 1,000,000")]
)
def test_evidence_beyond_doubt_is_told_as_such_and_not_in_forty_digits(total: float, said: str) -> None:
    assert told(total) == said
