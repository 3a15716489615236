"""The judge: conditions kept by construction, and nothing forgotten."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

from proxy.analysis import identities as identities_module
from proxy.analysis.evidence import replay
from proxy.analysis.finding import Decision, cap_exceeded, decide, look, smallest_rate
from proxy.analysis.histogram import History, bucket_of
from proxy.analysis.identities import Identities
from proxy.analysis.judge import Judge
from proxy.analysis.tally import CANDIDATE, STABLE, Tally
from proxy.analysis.witness import ERROR, ArmCounts, Item, Sighting, mixed
from proxy.strategies.progressive import Analysis

SETTINGS = Analysis(warm_up=30.0)
NOTHING = ArmCounts(0, 0, 0, 0, {}, {})


def arm(count: int, failed: int = 0, samples: dict[int, int] | None = None) -> ArmCounts:
    return ArmCounts(count, failed, count, failed, samples or {}, {})


def heard(weight: float, stable: ArmCounts, candidate: ArmCounts, items: tuple[Item, ...] = ()) -> Sighting:
    return Sighting("shop", "", "a", weight, stable, candidate, {}, items)


def test_a_candidate_that_fails_more_often_is_found_out_and_a_shared_spike_is_not() -> None:
    worse, spiking = Judge(SETTINGS, 0.0), Judge(SETTINGS, 0.0)
    for second in range(50):
        worse.hear(heard(0.2, arm(80, 1), arm(20, 1)), float(second))
        spiking.hear(heard(0.2, arm(80, 40), arm(20, 10)), float(second))
    assert worse.weigh(50.0).total >= 100
    assert spiking.weigh(50.0).total < 2


def test_latency_does_not_count_before_the_candidate_is_warm_and_stable_is_known() -> None:
    judge = Judge(SETTINGS, 0.0)
    slow, fast = {bucket_of(2.0): 20}, {bucket_of(0.05): 80}
    judge.hear(heard(0.2, arm(80, samples=fast), arm(20, samples=slow)), 0.0)
    assert not judge.is_timing(0.0)
    judge.learn({bucket_of(0.05): 500})
    judge.hear(heard(0.2, arm(80, samples=fast), arm(20, samples=slow)), 29.0)
    assert judge.weigh(29.0).latency == 1.0
    assert judge.is_timing(30.0)
    for second in range(30, 40):
        judge.hear(heard(0.2, arm(80, samples=fast), arm(20, samples=slow)), float(second))
    assert judge.weigh(40.0).latency > 100


def test_errors_count_from_the_first_request_on() -> None:
    judge = Judge(SETTINGS, 0.0)
    judge.hear(heard(0.05, arm(95), arm(8, 8)), 0.0)
    assert judge.weigh(0.0).total >= 100


def test_a_turn_of_the_minute_closes_a_row_and_all_rows_replay() -> None:
    dice, judge, rows = Random(5), Judge(SETTINGS, 0.0), []
    for second in range(0, 600, 5):
        weight = (0.05, 0.2)[second >= 300]
        judge.hear(heard(weight, arm(90, dice.randrange(3)), arm(10, dice.randrange(2))), float(second))
        rows += judge.take_rows()
    rows.append(judge.row())
    assert len(rows) == 10
    replayed = list(replay(json.loads(json.dumps(rows)), SETTINGS.error_ratio))
    assert max(each.deviation for each in replayed) <= 1e-9
    assert replayed[-1].recomputed.total == judge.weigh(599.0).total


def test_a_judge_survives_a_restart_with_all_it_knew() -> None:
    judge = Judge(SETTINGS, 0.0)
    judge.learn({bucket_of(0.05): 500})
    people = tuple(Item(mixed(n), n < 20, bucket_of(0.05)) for n in range(100))
    for second in range(0, 200, 7):
        judge.hear(heard(0.2, arm(80, 2), arm(20, 1), people), float(second))
    again = Judge.restore(json.loads(json.dumps(judge.state())), SETTINGS)
    assert again.state() == judge.state()
    assert again.weigh(300.0) == judge.weigh(300.0)
    judge.hear(heard(0.2, NOTHING, NOTHING, people), 301.0)
    again.hear(heard(0.2, NOTHING, NOTHING, people), 301.0)
    assert again.weigh(301.0) == judge.weigh(301.0)


def test_doubles_of_several_workers_count_once() -> None:
    once, twice = Judge(SETTINGS, 0.0), Judge(SETTINGS, 0.0)
    people = tuple(Item(mixed(n), n < 5, ERROR) for n in range(20))
    once.hear(heard(0.2, NOTHING, NOTHING, people), 1.0)
    for _ in range(3):
        twice.hear(heard(0.2, NOTHING, NOTHING, people), 1.0)
    assert once.weigh(1.0) == twice.weigh(1.0)
    assert once.units == twice.units == 5


def test_an_identity_that_was_counted_on_stable_has_the_coin_that_is_left() -> None:
    people = Identities()
    assert people.coin(1, 0.2, ERROR, is_candidate=False) == 0.2
    assert people.coin(1, 0.2, ERROR, is_candidate=False) is None
    assert people.coin(1, 0.6, ERROR, is_candidate=False) == (0.6 - 0.2) / (1 - 0.2)
    assert people.coin(1, 0.4, ERROR, is_candidate=False) is None
    assert people.coin(1, 0.8, ERROR, is_candidate=True) == (0.8 - 0.6) / (1 - 0.6)
    assert people.coin(1, 0.9, ERROR, is_candidate=True) is None
    assert people.failed == 1


def test_errors_and_latency_of_an_identity_are_two_tosses() -> None:
    people = Identities()
    assert people.coin(1, 0.2, ERROR, is_candidate=True) == 0.2
    assert people.coin(1, 0.2, 40, is_candidate=True) == 0.2


def test_a_full_set_halves_its_range_instead_of_going_blind() -> None:
    people = Identities()
    for number in range(identities_module.MOST * 3):
        people.coin(mixed(number), 0.2, ERROR, is_candidate=False)
    assert identities_module.MOST / 3 < len(people) <= identities_module.MOST
    assert people.accepted == 1 << 62
    again = Identities.restore(json.loads(json.dumps(people.state())))
    assert (len(again), again.accepted) == (len(people), people.accepted)


def test_units_begin_anew_with_each_weight_but_not_with_each_tick() -> None:
    judge = Judge(SETTINGS, 0.0)
    judge.enter(10.0)
    judge.hear(heard(0.2, arm(80), arm(20)), 11.0)
    judge.enter(10.0)
    assert (judge.units, judge.step_requests.candidate) == (20, 20)
    judge.enter(70.0)
    assert (judge.units, judge.requests.candidate) == (0, 20)


def test_too_little_data_holds_and_never_rolls_back() -> None:
    assert decide(99.9, SETTINGS, 499, 60.0) is Decision.HOLD
    assert decide(99.9, SETTINGS, 500, 59.0) is Decision.HOLD
    assert decide(99.9, SETTINGS, 500, 60.0) is Decision.ADVANCE
    assert decide(100.0, SETTINGS, 0, 0.0) is Decision.ROLLBACK
    assert decide(1.0, SETTINGS, 0, 3601.0) is Decision.INCONCLUSIVE
    assert decide(1.0, SETTINGS, 0, 3601.0, pause=1800.0) is Decision.HOLD
    assert decide(1.0, Analysis(minimum=0), 0, 60.0) is Decision.ADVANCE
    assert decide(1e9, Analysis(enabled=False), 0, 0.0) is Decision.ADVANCE


def test_a_cap_counts_every_failed_request_and_is_off_by_default() -> None:
    assert cap_exceeded(SETTINGS, 10**6, 10**6) == ""
    assert cap_exceeded(Analysis(max_failed_requests=5), 5, 0) == ""
    assert "6 requests" in cap_exceeded(Analysis(max_failed_requests=5), 6, 0)
    assert "3 identities" in cap_exceeded(Analysis(max_failed_identities=2), 0, 3)


def test_the_smallest_effect_shrinks_as_more_is_seen() -> None:
    def after(units: int) -> float | None:
        tally = Tally()
        tally.units[CANDIDATE], tally.units[STABLE] = units, 4 * units
        tally.errors[STABLE] = units // 25
        return smallest_rate({0.2: tally}, SETTINGS)

    assert after(3) is None
    few, many = after(500), after(50_000)
    assert few is not None
    assert many is not None
    assert 0.0125 < many < few < 0.2


def test_a_finding_says_in_plain_words_what_was_seen_and_what_follows() -> None:
    judge = Judge(SETTINGS, 0.0)
    judge.hear(heard(0.2, arm(800, 8), arm(200, 2)), 1.0)
    text = look(judge, SETTINGS, 70.0, since=0.0).text
    assert "failed 2 of 200 requests (1.00%)" in text
    assert "Too early to go on: 200 of 500 counted" in text
    judge.hear(heard(0.2, NOTHING, arm(30, 30)), 71.0)
    found = look(judge, SETTINGS, 71.0, since=0.0)
    assert found.decision is Decision.ROLLBACK
    assert "fails more often" in found.text


def test_a_split_that_something_else_decides_is_doubted() -> None:
    drawn, forced = Judge(SETTINGS, 0.0), Judge(SETTINGS, 0.0)
    drawn.hear(heard(0.2, arm(815), arm(185)), 1.0)
    forced.hear(heard(0.2, arm(500), arm(500)), 1.0)
    assert look(drawn, SETTINGS, 2.0, since=0.0).split_p > 0.05
    assert "The split is not what its weights say" in look(forced, SETTINGS, 2.0, since=0.0).text


def test_thresholds_are_the_quantiles_of_the_past_and_follow_it() -> None:
    history = History()
    history.add(Counter(range(100)))
    assert [history.quantile(share) for share in (0.5, 0.9, 0.99)] == [49, 89, 98]
    history.age()
    history.add({200: 1000})
    assert history.quantile(0.5) == 200
