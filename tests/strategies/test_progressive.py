"""The settings of a progressive rollout: Argo's words are taken as written, others are refused by name."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.strategies.progressive import Metric, Pause, Progressive

READ = TypeAdapter(Progressive)
WEB = {"web": {"url": "http://127.0.0.1/ok"}}


def faults(**written: object) -> str:
    with pytest.raises(ValidationError) as found:
        READ.validate_python(written)
    return str(found.value)


def test_the_steps_of_an_argo_canary_are_taken_as_written() -> None:
    steps = [
        {"setWeight": 20},
        {"pause": {"duration": "10m"}},
        {"pause": {"duration": 30}},
        {"pause": {"duration": "1h"}},
        {"pause": {"duration": "90"}},
        {"pause": {}},
        {"pause": 5},
        {"setWeight": 100},
    ]
    read = READ.validate_python({"release": "a", "steps": steps}).steps
    assert [step.setWeight for step in read if step.setWeight is not None] == [20.0, 100.0]
    assert [step.pause.duration for step in read if step.pause] == [600.0, 30.0, 3600.0, 90.0, None, 5.0]


@pytest.mark.parametrize("kind", ["setCanaryScale", "setHeaderRoute", "setMirrorRoute", "experiment", "plugin"])
def test_a_step_kind_that_is_not_supported_is_named_with_a_reason(kind: str) -> None:
    text = faults(steps=[{"setWeight": 5}, {kind: {"weight": 25}}])
    assert f"steps.1.{kind}" in text
    assert "take the step out" in text


def test_every_fault_is_reported_at_once() -> None:
    text = faults(
        steps=[{"setWeight": 120}, {"setWeight": 5, "pause": {}}, {}, {"hold": {"max": "11s"}}, {"setWeigth": 5}],
        analysis={"alpha": 2, "error_ratio": 0.5},
        on_failure="explode",
    )
    for place in (
        "steps.0.setWeight",
        "steps.1",
        "steps.2",
        "steps.3.hold",
        "steps.4.setWeigth",
        "analysis",
        "on_failure",
    ):
        assert f"\n{place}\n" in f"\n{text}"


def test_analysis_is_on_by_default() -> None:
    analysis = READ.validate_python({"release": "a"}).analysis
    assert (analysis.enabled, analysis.alpha, analysis.error_ratio, analysis.minimum) == (True, 0.01, 1.25, 500)
    assert (analysis.seconds, analysis.warm_up, analysis.latency_tolerance) == (60.0, 30.0, 10.0)


def test_a_metric_is_checked_before_a_rollout_depends_on_it() -> None:
    assert "ends too early" in faults(
        analysis={"metrics": [{"name": "m", "provider": WEB, "successCondition": "result >"}]}
    )
    assert "exactly one of prometheus, web" in faults(analysis={"metrics": [{"name": "m", "provider": {}}]})
    assert "needs an interval" in faults(analysis={"metrics": [{"name": "m", "provider": WEB, "count": 3}]})
    twice = [{"name": "m", "provider": WEB}, {"name": "m", "provider": WEB}]
    assert "same name" in faults(analysis={"metrics": twice})


def test_a_metric_has_argos_limits_by_default() -> None:
    metric = TypeAdapter(Metric).validate_python({"name": "m", "provider": WEB})
    assert (metric.failureLimit, metric.consecutiveErrorLimit, metric.inconclusiveLimit) == (0, 4, 0)


def test_the_settings_have_a_json_schema() -> None:
    assert "setWeight" in str(READ.json_schema())


def test_a_pause_without_duration_waits() -> None:
    assert Pause().duration is None
