"""Argo Rollouts: its canary steps are the steps of `progressive`, word for word."""

from __future__ import annotations

from proxy.importing.argo_analysis import metrics_of
from proxy.importing.draft import Draft
from proxy.importing.manifest import Json, Manifest, Part
from proxy.importing.words import name_of, ordered, port_of, target

KINDS = (("argoproj.io", "Rollout"),)

_STEPS = {
    "setCanaryScale": "moves pods, and Shunt moves traffic",
    "setHeaderRoute": "not a step here: a rule under `flags` sends those requests to the candidate from the start",
    "setMirrorRoute": "not a step here: a rule under `shadow` copies from the start",
    "experiment": "needs pods of its own, which Shunt does not start",
    "plugin": "runs inside Argo's controller",
}
_PODS = "about pods, which stay Kubernetes' to start and stop"
_ABOUT_PODS = (
    "maxSurge",
    "maxUnavailable",
    "canaryMetadata",
    "stableMetadata",
    "activeMetadata",
    "previewMetadata",
    "antiAffinity",
    "dynamicStableScale",
    "scaleDownDelaySeconds",
    "scaleDownDelayRevisionLimit",
    "abortScaleDownDelaySeconds",
    "minPodsPerReplicaSet",
    "previewReplicaCount",
)


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """One service, whose canary moves by the Rollout's steps, or whose colour is switched."""
    spec = manifest.root.at("spec")
    for key in ("replicas", "selector", "template", "workloadRef", "revisionHistoryLimit", "minReadySeconds"):
        spec.at(key).dropped(_PODS)
    missing = [] if spec.at("workloadRef") else [key for key in ("selector", "template") if not spec.at(key)]
    if missing:
        spec.remark(f"not quite valid: without {' and '.join(missing)} (or workloadRef) Argo refuses the Rollout")
    strategy = spec.at("strategy")
    side = strategy.at("canary") or strategy.at("blueGreen")
    if not side:
        strategy.remark("neither canary nor blueGreen: nothing is imported")
        return []
    for key in _ABOUT_PODS:
        side.at(key).dropped(_PODS)
    draft = Draft(name=name_of(manifest.name), origin=side)
    reader = _Reader(manifest, among, draft)
    if strategy.at("canary"):
        reader.read_canary(side)
    else:
        reader.read_blue_green(side)
    _add_release(spec, draft)
    return [draft]


class _Reader:
    """One Rollout on its way into a draft."""

    def __init__(self, manifest: Manifest, among: list[Manifest], draft: Draft) -> None:
        self._manifest = manifest
        self._among = among
        self._draft = draft

    def read_canary(self, canary: Part) -> None:
        """Stable, candidate and the steps."""
        stable, candidate = self._sides(canary)
        steps = [said for step in canary.at("steps").items() if (said := self._step(step))]
        weights = [step["setWeight"] for step in steps if "setWeight" in step]
        if not weights or weights[-1] != 100:
            steps.append({"setWeight": 100})
            canary.at("steps").remark("Argo goes to 100 after the last step by itself; here it is a step of its own")
        progressive: dict[str, Json] = {"steps": [*steps]}
        metrics = metrics_of(canary.at("analysis"), self._among)
        canary.at("analysis", "startingStep").dropped("measured from the first step on")
        if metrics:
            progressive["analysis"] = {"metrics": metrics}
        self._draft.policy |= {"canary": {"stable": stable, "candidate": candidate}, "progressive": progressive}

    def read_blue_green(self, side: Part) -> None:
        """The active colour, the other one, and what comes before and after the switch."""
        for version, key in (("blue", "activeService"), ("green", "previewService")):
            self._version(version, side.at(key), f"{self._manifest.name}-{version}")
        side.remark(
            "Argo's active Service always leads to the active pods; Shunt goes from address to address: give blue and "
            "green Services of their own, and swap `active` and `candidate` for the release after this one"
        )
        progressive: dict[str, Json] = {"candidate": "green"}
        if side.at("autoPromotionEnabled"):
            progressive["auto_promotion"] = side.at("autoPromotionEnabled").took().value is not False
        if side.at("autoPromotionSeconds"):
            progressive["auto_promotion_delay"] = side.at("autoPromotionSeconds").took().value
        for theirs, key in (("prePromotionAnalysis", "pre_promotion"), ("postPromotionAnalysis", "post_promotion")):
            metrics = metrics_of(side.at(theirs), self._among)
            if metrics:
                progressive[key] = {"metrics": metrics}
        self._draft.policy |= {"blue_green": {"active": "blue"}, "progressive": progressive}

    def _sides(self, canary: Part) -> tuple[str, str]:
        """The versions: subsets of a DestinationRule, else Services, else names that must be made true."""
        istio = canary.at("trafficRouting", "istio")
        virtual = istio.at("virtualService", "name")
        if virtual:
            self._draft.name = name_of(virtual.took("the service is the VirtualService's").text())
            istio.at("virtualService", "routes").dropped("the whole service follows the steps")
        subsets = istio.at("destinationRule")
        names = [subsets.at(key).took().text() for key in ("stableSubsetName", "canarySubsetName")]
        self._lacking_routers(canary)
        if all(names):
            subsets.at("name").took()
            for name in names:
                self._version(name, subsets.at("none"), f"{subsets.at('name').text(self._manifest.name)}-{name}")
            return name_of(names[0]), name_of(names[1])
        for version, key in (("stable", "stableService"), ("canary", "canaryService")):
            self._version(version, canary.at(key), f"{self._manifest.name}-{version}")
        return ordered("stable", "canary")

    def _version(self, version: str, named: Part, otherwise: str) -> None:
        service = named.took().text(otherwise)
        if not named:
            named.remark(f"no Service is named: {service} is assumed to be one for {version}, or give --target")
        port = port_of(named.at("port"), self._among, service)
        self._draft.versions[name_of(version)] = target(self._manifest.host(service), port)

    def _lacking_routers(self, canary: Part) -> None:
        for router, part in canary.at("trafficRouting").fields().items():
            if router != "istio":
                part.lacks(f"Shunt moves the traffic, {router} need not")

    def _step(self, step: Part) -> dict[str, Json]:
        """The step as it is written, or nothing when Shunt has no such step."""
        for kind, why in _STEPS.items():
            if step.at(kind):
                step.at(kind).lacks(why)
                return {}
        if step.at("analysis"):
            metrics = metrics_of(step.at("analysis"), self._among)
            return {"analysis": {"metrics": metrics}} if metrics else {}
        if step.at("setWeight"):
            return {"setWeight": step.at("setWeight").took().value}
        return {"pause": step.at("pause").took().value or {}} if step.at("pause") or "pause" in step.fields() else {}


def _add_release(spec: Part, draft: Draft) -> None:
    """The image's tag names the release; without one a person starts the rollout."""
    image = spec.at("template", "spec", "containers", 0, "image").text()
    tag = image.partition("@")[0].rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""
    progressive = draft.policy["progressive"]
    if tag and isinstance(progressive, dict):
        draft.policy["progressive"] = {"release": tag, **progressive}
        spec.at("template", "spec", "containers", 0, "image").took(f"release {tag}: a new tag starts a new rollout")
    else:
        draft.origin.remark(
            f"Argo starts with a new pod template; here a new `release` starts a rollout of {draft.name}"
        )
