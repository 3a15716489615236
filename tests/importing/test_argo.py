"""Argo Rollouts: the steps stay the same steps, the metrics the same metrics."""

from __future__ import annotations

from importing.bringing import bring, only, remarks, verdict

ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 5
  selector: {matchLabels: {app: shop}}
  template:
    spec: {containers: [{name: shop, image: "registry:5000/shop:1.4.2"}]}
  strategy:
    canary:
      stableService: shop-stable
      canaryService: shop-canary
      maxSurge: 1
      trafficRouting: {nginx: {stableIngress: shop}}
      analysis:
        templates: [{templateName: success}]
        args: [{name: service, value: shop-canary}]
      steps:
      - setWeight: 5
      - pause: {duration: "600"}
      - setCanaryScale: {weight: 25}
      - setWeight: 40
      - pause: {}
"""
TEMPLATE = """
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success}
spec:
  args: [{name: service}]
  metrics:
  - name: success-rate
    interval: 1m
    failureLimit: 3
    successCondition: result[0] >= 0.95
    provider:
      prometheus: {address: "http://prometheus:9090", query: 'rate(ok{service="{{args.service}}"}[1m])'}
  - name: job
    provider: {job: {spec: {}}}
"""
VIRTUAL = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  http:
  - route:
    - destination: {host: shop-stable}
      weight: 100
    - destination: {host: shop-canary}
      weight: 0
"""


def test_steps_of_any_spelling_are_taken_and_those_about_pods_are_not() -> None:
    found = bring(ROLLOUT)
    progressive = only(found).progressive
    assert progressive is not None
    assert [step.setWeight for step in progressive.steps] == [5.0, None, 40.0, None, 100.0]
    assert verdict(found, "spec.strategy.canary.steps[2].setCanaryScale.weight") == "no counterpart"
    assert "goes to 100 after the last step" in remarks(found)


def test_the_image_tag_is_the_release() -> None:
    progressive = only(bring(ROLLOUT)).progressive
    assert progressive is not None
    assert progressive.release == "1.4.2"


def test_metrics_come_with_their_arguments_filled_in() -> None:
    found = bring(ROLLOUT, TEMPLATE)
    progressive = only(found).progressive
    assert progressive is not None
    (metric,) = progressive.analysis.metrics
    assert metric.provider.prometheus is not None
    assert metric.provider.prometheus.query == 'rate(ok{service="shop-canary"}[1m])'
    assert (metric.failureLimit, metric.interval) == (3, 60.0)
    assert verdict(found, "spec.metrics[1].provider.job") == "dropped"


def test_a_template_that_is_not_there_is_asked_for() -> None:
    found = bring(ROLLOUT)
    assert verdict(found, "spec.strategy.canary.analysis.templates[0].templateName") == "dropped"


def test_a_rollout_moves_the_weights_of_its_virtual_service() -> None:
    routing = "{istio: {virtualService: {name: shop, routes: [primary]}}}"
    found = bring(ROLLOUT.replace("{nginx: {stableIngress: shop}}", routing), VIRTUAL)
    service = only(found)
    assert service.hosts == ("shop.example.com",)
    assert service.progressive is not None
    assert service.canary is not None
    assert service.versions[service.canary.candidate or ""].targets == ("http://shop-canary:80",)


def test_blue_green_switches_by_itself_or_waits_as_it_did() -> None:
    found = bring(
        """
        apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        metadata: {name: shop}
        spec:
          workloadRef: {name: shop}
          strategy:
            blueGreen: {activeService: shop-active, previewService: shop-preview, autoPromotionEnabled: false}
        """
    )
    service = only(found)
    assert service.blue_green is not None
    assert service.blue_green.active == "blue"
    assert service.progressive is not None
    assert service.progressive.auto_promotion is False
    assert service.versions["green"].targets == ("http://shop-preview:80",)
