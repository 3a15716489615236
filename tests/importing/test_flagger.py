"""Flagger's Canary: the weights it would have gone through, one interval apart."""

from __future__ import annotations

from importing.bringing import bring, only, verdict

CANARY = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898, hosts: [app.example.com], timeout: 5s}
  analysis:
    interval: 1m
    threshold: 10
    ANALYSIS
    metrics:
    - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}
    webhooks:
    - {name: load-test, url: "http://loadtester/", timeout: 5s, metadata: {cmd: "hey -z 1m"}}
"""


def test_a_step_weight_becomes_every_weight_up_to_the_maximum_and_then_all() -> None:
    found = bring(CANARY.replace("ANALYSIS", "{maxWeight: 30, stepWeight: 10}".strip("{}").replace(", ", "\n    ")))
    service = only(found)
    assert service.progressive is not None
    assert [step.setWeight for step in service.progressive.steps if step.setWeight] == [10.0, 20.0, 30.0, 100.0]
    assert service.versions["primary"].targets == ("http://podinfo-primary.test:9898",)
    assert verdict(found, "spec.analysis.threshold") == "no counterpart"
    assert verdict(found, "spec.analysis.metrics[0].thresholdRange.min") == "no counterpart"


def test_hooks_keep_their_kind_and_what_they_are_told() -> None:
    service = only(bring(CANARY.replace("ANALYSIS", "stepWeights: [1, 50, 100]")))
    assert service.progressive is not None
    (hook,) = service.progressive.webhooks
    assert (hook.type, hook.metadata["cmd"]) == ("rollout", "hey -z 1m")
    assert [step.setWeight for step in service.progressive.steps if step.setWeight] == [1.0, 50.0, 100.0]


def test_iterations_without_weights_are_blue_green() -> None:
    service = only(bring(CANARY.replace("ANALYSIS", "iterations: 10")))
    assert service.blue_green is not None
    assert service.progressive is not None
    assert service.progressive.auto_promotion_delay == 600.0


def test_the_people_of_an_ab_test_are_a_flag() -> None:
    text = CANARY.replace("ANALYSIS", "iterations: 10\n    match: [{headers: {cookie: {regex: '.*canary.*'}}}]")
    (flag,) = only(bring(text)).flags or ()
    assert flag.version == "canary"
    assert flag.when.header["cookie"].regex == ".*canary.*"


def test_a_mirror_before_the_canary_is_a_shadow() -> None:
    text = CANARY.replace("ANALYSIS", "stepWeight: 50\n    mirror: true\n    mirrorWeight: 20")
    (shadow,) = only(bring(text)).shadow or ()
    assert (shadow.version, shadow.percent) == ("canary", 20.0)
