"""Flagger's Canary: weights that grow by steps, one interval apart, as long as nothing fails."""

from __future__ import annotations

from proxy.importing import istio_match, istio_policy
from proxy.importing.draft import Draft
from proxy.importing.manifest import Json, Manifest, Part
from proxy.importing.words import either, name_of, plain, target
from proxy.units import seconds

KINDS = (("flagger.app", "Canary"),)

_LACKING = {
    "threshold": "one failed check proves nothing: Shunt rolls back when the candidate is worse beyond chance",
    "alerts": "write the address under progressive.notify",
    "stepWeightPromotion": "the new version stays where it is, nothing has to be copied to a primary",
    "primaryReadyThreshold": "about pods",
    "canaryReadyThreshold": "about pods",
}
_MESH = ("gateways", "gatewayRefs", "trafficPolicy", "apex", "primary", "canary", "corsPolicy", "backends")
_HOOKS = (
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "rollback",
    "event",
)


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """One service with primary and canary, in the addresses that Flagger makes for them."""
    spec = manifest.root.at("spec")
    name = spec.at("service", "name").took().text(spec.at("targetRef", "name").text(manifest.name))
    spec.at("targetRef").took(f"the versions are {name}-primary and {name}-canary, as Flagger names its Services")
    for key in ("provider", "autoscalerRef", "progressDeadlineSeconds", "ingressRef", "skipAnalysis", "suspend"):
        spec.at(key).dropped("about pods and Flagger's own work")
    draft = Draft(name=name_of(name), origin=spec)
    _read_service(manifest, spec.at("service"), name, draft)
    analysis = spec.at("analysis") or spec.at("canaryAnalysis")
    if not analysis:
        spec.at("analysis").remark("not quite valid: without analysis Flagger does not move any traffic")
    for key, why in _LACKING.items():
        analysis.at(key).lacks(why)
    _read_analysis(analysis, draft)
    return [draft]


def _read_service(manifest: Manifest, service: Part, name: str, draft: Draft) -> None:
    if not service.at("port"):
        service.at("port").remark("not quite valid: Flagger requires the port; 80 is assumed")
    port = service.at("port").took().text("80")
    for side in ("primary", "canary"):
        draft.versions[side] = target(manifest.host(f"{name}-{side}"), port)
    draft.hosts = [host.took().text() for host in service.at("hosts").items()] or [name]
    for key in _MESH:
        service.at(key).lacks("for the mesh, which Shunt stands in for")
    for key in ("targetPort", "portName", "portDiscovery", "appProtocol"):
        service.at(key).dropped("the Service's to know")
    if service.at("match"):
        service.at("match").dropped("the service takes every request for its hosts; write a route for a part of it")
    draft.policy |= istio_policy.of_rule(service, [])


def _read_analysis(analysis: Part, draft: Draft) -> None:
    interval = analysis.at("interval").took().text("1m")
    progressive: dict[str, Json] = {}
    matches = istio_match.conditions(analysis.at("match"))
    if analysis.at("iterations"):
        count = analysis.at("iterations").took(f"so many times {interval} before the switch").number()
        progressive |= {"candidate": "canary", "auto_promotion_delay": plain(seconds(interval) * count)}
        draft.policy["blue_green"] = {"active": "primary"}
    else:
        progressive["steps"] = _steps(analysis, interval)
        draft.policy["canary"] = {"stable": "primary", "candidate": "canary"}
    if matches:
        draft.policy["flags"] = [{"name": "ab", "when": either(matches), "version": "canary"}]
        analysis.at("match").remark("these go to the canary at all times, not only while it is analysed")
    if analysis.at("mirror").took().value is True:
        weight = analysis.at("mirrorWeight").took().number(100)
        draft.policy["shadow"] = [{"version": "canary", "percent": plain(weight)}]
        analysis.at("mirror").remark("Shunt copies GET and HEAD, others only where `methods` lists them")
    if analysis.at("sessionAffinity"):
        analysis.at("sessionAffinity").took("`mint`: who has no cookie gets one, and stays with what it drew")
        draft.policy["identity"] = ["mint"]
    _read_metrics(analysis)
    hooks = [_hook(hook) for hook in analysis.at("webhooks").items()]
    progressive |= {"webhooks": [hook for hook in hooks if hook]} if any(hooks) else {}
    draft.policy["progressive"] = progressive


def _steps(analysis: Part, interval: str) -> list[Json]:
    """Each weight, and an interval at it; then all of the traffic."""
    listed = [int(each.took().number()) for each in analysis.at("stepWeights").items()]
    most = int(analysis.at("maxWeight").took().number(100)) or 100
    by = int(analysis.at("stepWeight").took().number())
    weights = listed or [*range(by, most + 1, by)] if by or listed else [most]
    steps: list[Json] = []
    for weight in weights:
        steps += [{"setWeight": min(weight, 100)}, {"pause": {"duration": interval}}]
    return steps if weights[-1] >= 100 else [*steps, {"setWeight": 100}]


def _read_metrics(analysis: Part) -> None:
    for metric in analysis.at("metrics").items():
        name = metric.at("name").text()
        if name in ("request-success-rate", "request-duration"):
            metric.lacks("the built-in analysis compares the canary with the primary instead of with a fixed bound")
        else:
            metric.dropped("its query stands in a MetricTemplate: write it under progressive.analysis.metrics")


def _hook(hook: Part) -> dict[str, Json]:
    kind = hook.at("type").text("rollout")
    if kind not in _HOOKS:
        hook.lacks(f"Shunt has no hooks of type {kind}")
        return {}
    said: dict[str, Json] = {
        "name": hook.at("name").took().text(kind),
        "type": kind,
        "url": hook.at("url").took().text(),
    }
    hook.at("type").took()
    if hook.at("timeout"):
        said["timeout"] = hook.at("timeout").took().text()
    if hook.at("retries"):
        said["retries"] = plain(hook.at("retries").took().number())
    metadata = {key: part.took().text() for key, part in hook.at("metadata").fields().items()}
    return said | ({"metadata": {**metadata}} if metadata else {})
