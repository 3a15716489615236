"""Measurements are counted as Argo counts them; what cannot be measured is an error, never a success."""

from __future__ import annotations

import json

import pytest

from proxy.rollout.answer import pick, prometheus_result
from proxy.rollout.measurement import (
    ERROR_INTERVAL_SECONDS,
    MetricRun,
    Status,
    begun,
    ended,
    failed_to_measure,
    judged,
    measured,
    overall,
)
from proxy.strategies.progressive import Metric, Provider, Web

PROVIDER = Provider(web=Web(url="http://127.0.0.1/ok"))


def metric(name: str = "m", **settings: object) -> Metric:
    return Metric(name=name, provider=PROVIDER, **settings)  # type: ignore[arg-type]


def after(measurements: list[object], rules: Metric) -> MetricRun:
    run = begun(rules, 0.0)
    for number, result in enumerate(measurements):
        if isinstance(result, Exception):
            run = failed_to_measure(rules, run, str(result), float(number))
        else:
            run = measured(rules, run, result, float(number))
    return run


LIMITED = {"interval": 5.0, "successCondition": "result < 1"}
BROKEN = OSError("no answer")


def test_a_metric_fails_when_failures_exceed_the_limit() -> None:
    rules = metric(failureLimit=2, **LIMITED)
    assert after([2, 2], rules).status is Status.RUNNING
    assert after([2, 0, 2, 2], rules).status is Status.FAILED


def test_the_fifth_error_in_a_row_ends_it_and_any_answer_starts_the_row_anew() -> None:
    rules = metric(**LIMITED)
    assert after([BROKEN] * 4, rules).status is Status.RUNNING
    assert after([BROKEN] * 5, rules).status is Status.ERROR
    assert after([BROKEN] * 4 + [0] + [BROKEN] * 4, rules).status is Status.RUNNING


def test_between_the_two_conditions_it_is_inconclusive() -> None:
    rules = metric(successCondition="result < 1", failureCondition="result > 5", interval=5.0, inconclusiveLimit=1)
    assert [judged(rules, result) for result in (0, 3, 6)] == [Status.SUCCESSFUL, Status.INCONCLUSIVE, Status.FAILED]
    assert after([3], rules).status is Status.RUNNING
    assert after([3, 3], rules).status is Status.INCONCLUSIVE


def test_one_condition_alone_decides_both_ways_and_none_is_success() -> None:
    assert judged(metric(successCondition="result < 1"), 2) is Status.FAILED
    assert judged(metric(failureCondition="result > 5"), 2) is Status.SUCCESSFUL
    assert judged(metric(), 2) is Status.SUCCESSFUL


def test_a_condition_without_an_answer_is_an_error() -> None:
    run = after([[]], metric(successCondition="result[0] < 1", interval=5.0))
    assert (run.errors, run.failed, run.successful) == (1, 0, 0)


def test_a_count_ends_in_success_and_without_an_interval_it_is_taken_once() -> None:
    assert after([0, 0, 0], metric(count=3, **LIMITED)).status is Status.SUCCESSFUL
    assert after([0, BROKEN, 0], metric(count=3, **LIMITED)).status is Status.RUNNING
    assert after([0], metric(successCondition="result < 1")).status is Status.SUCCESSFUL
    assert after([0] * 50, metric(**LIMITED)).status is Status.RUNNING


def test_the_next_measurement_comes_after_the_interval_or_sooner_after_an_error() -> None:
    rules = metric(interval=60.0, initialDelay=7.0)
    run = begun(rules, 0.0)
    assert (run.is_due(6.9), run.is_due(7.0)) == (False, True)
    assert measured(rules, run, 1, 7.0).next_at == 67.0
    assert failed_to_measure(rules, run, "no answer", 7.0).next_at == 7.0 + ERROR_INTERVAL_SECONDS


def test_across_metrics_failed_beats_error_beats_inconclusive_beats_successful() -> None:
    order = [Status.SUCCESSFUL, Status.RUNNING, Status.INCONCLUSIVE, Status.ERROR, Status.FAILED]
    rules, runs = [], {}
    for status in order:
        rules.append(metric(status.value))
        runs[status.value] = MetricRun(next_at=0.0, status=status, text="why")
        assert overall(rules, runs)[0] is status
    assert overall(rules, runs)[1] == "metric failed: why"
    assert overall([], {}) == (Status.SUCCESSFUL, "")


def test_a_dry_run_is_measured_and_moves_nothing() -> None:
    rules = metric(dryRun=True)
    assert overall([rules], {"m": MetricRun(next_at=0.0, status=Status.FAILED)}) == (Status.SUCCESSFUL, "")


def test_a_run_that_is_no_longer_needed_was_successful_unless_it_had_failed() -> None:
    assert ended(after([0], metric(**LIMITED))).status is Status.SUCCESSFUL
    assert ended(after([2], metric(**LIMITED))).status is Status.FAILED


def test_a_run_survives_a_restart() -> None:
    run = after([0, BROKEN, 2], metric(failureLimit=3, **LIMITED))
    assert MetricRun.from_json(json.loads(json.dumps(run.as_json()))) == run


def test_prometheus_answers_with_a_vector_or_a_scalar() -> None:
    vector = {"resultType": "vector", "result": [{"metric": {}, "value": [1, "0.5"]}, {"value": [1, "NaN"]}]}
    values = prometheus_result({"status": "success", "data": vector})
    assert isinstance(values, list)
    assert values[0] == 0.5
    assert str(values[1]) == "nan"
    scalar = {"resultType": "scalar", "result": [1, "3"]}
    assert prometheus_result({"status": "success", "data": scalar}) == 3.0
    for wrong in ({"status": "error"}, {}, [], {"status": "success", "data": {"resultType": "matrix", "result": []}}):
        with pytest.raises(LookupError):
            prometheus_result(wrong)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("{$}", {"a": {"b": [1, {"c": 2}]}, "x-y": 3}),
        ("{$.a.b[0]}", 1),
        ("$.a.b[-1].c", 2),
        ("{.a.b[1]['c']}", 2),
        ('{$["x-y"]}', 3),
    ],
)
def test_a_path_picks_a_part_of_a_document(path: str, part: object) -> None:
    assert pick({"a": {"b": [1, {"c": 2}]}, "x-y": 3}, path) == part


@pytest.mark.parametrize("path", ["{$.b}", "{$.a.b[2]}", "{$.a[0]}", "{$.a..b}", "{$.a.b[*]}"])
def test_a_path_that_leads_nowhere_raises(path: str) -> None:
    with pytest.raises(LookupError):
        pick({"a": {"b": [1, 2]}}, path)
