"""A Deployment's RollingUpdate: Kubernetes goes on replacing pods, Shunt spreads over those that are ready."""

from __future__ import annotations

from proxy.importing.draft import Draft
from proxy.importing.manifest import Json, Manifest, Part
from proxy.importing.words import name_of, plain, port_of, target

KINDS = (("apps", "Deployment"),)


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """One version, rolling; its target is the Service of the same name."""
    spec = manifest.root.at("spec")
    strategy = spec.at("strategy")
    kind = strategy.at("type").text("RollingUpdate")
    if kind == "RollingUpdate":
        strategy.took("`rolling`: requests go to the targets that are ready, failed ones are retried on another")
        strategy.at("rollingUpdate").dropped("how many pods are replaced at once stays Kubernetes' to decide")
    else:
        strategy.dropped(f"{kind} stops every pod before it starts one: nothing can hide that; use RollingUpdate")
    spec.at("replicas").dropped("the number of pods stays Kubernetes' to decide")
    for key in ("selector", "template"):
        if not spec.at(key):
            spec.at(key).remark("not quite valid: required in apps/v1, the API server refuses the Deployment without")
    port = port_of(spec.at("template", "spec", "containers", 0, "ports", 0, "containerPort"), among, manifest.name)
    draft = Draft(name=name_of(manifest.name), origin=strategy)
    draft.versions["stable"] = target(manifest.host(manifest.name), port)
    draft.policy["rolling"] = {"version": "stable"}
    health = _health(spec.at("template", "spec", "containers", 0, "readinessProbe"))
    if health:
        draft.policy["health"] = health
    return [draft]


_PROBE = {
    "periodSeconds": "every",
    "timeoutSeconds": "timeout",
    "successThreshold": "up_after",
    "failureThreshold": "down_after",
}


def _health(probe: Part) -> dict[str, Json]:
    """The readiness probe as active checks, if it asks over HTTP."""
    path = probe.at("httpGet", "path")
    if not path:
        return {}
    said: dict[str, Json] = {"path": path.took().text()}
    said |= {key: plain(probe.at(theirs).took().number()) for theirs, key in _PROBE.items() if probe.at(theirs)}
    return said
