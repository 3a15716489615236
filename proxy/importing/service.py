"""A Service's selector: the switch by which Kubernetes goes from blue to green."""

from __future__ import annotations

from proxy.importing.draft import Draft
from proxy.importing.manifest import Json, Manifest
from proxy.importing.words import name_of, target

KINDS = (("", "Service"),)
PAIRS = {"blue": "green", "green": "blue"}
_LABELS = ("color", "colour", "slot", "version", "track", "app.kubernetes.io/version")


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """Blue-green where the selector names a colour, else rolling; nothing for a Service that others refer to."""
    if any(other is not manifest and other.kind != "Service" and _refers(other, manifest.name) for other in among):
        manifest.root.at("spec").took("the address of versions that other objects name")
        return []
    selector = manifest.root.at("spec", "selector")
    if not selector.fields():
        selector.remark("a Service without a selector says nothing about versions")
        return []
    key, active = _active(manifest)
    port = manifest.root.at("spec", "ports", 0, "port").took()
    if not port:
        manifest.root.at("spec", "ports").remark(
            "not quite valid: a Service needs at least one port, the API server refuses it; 80 is assumed"
        )
    manifest.root.at("spec", "type").dropped("how a Service is reached from outside is not Shunt's to say")
    draft = Draft(name=name_of(manifest.name), origin=selector, hosts=_hosts(manifest))
    other = PAIRS.get(active)
    if other is None:
        return [_rolling(manifest, draft, port.text("80"))]
    for colour in sorted((active, other)):
        draft.versions[colour] = target(manifest.host(f"{manifest.name}-{colour}"), port.text("80"))
    draft.policy["blue_green"] = {"active": active}
    selector.at(key).took(f"{active} is active; `shunt switch {draft.name} {other}` instead of editing the selector")
    selector.remark(
        f"each colour needs a Service of its own, {manifest.name}-{active} with this selector and "
        f"{manifest.name}-{other}: Shunt chooses between addresses, not between labels"
    )
    return [draft]


def _rolling(manifest: Manifest, draft: Draft, port: str) -> Draft:
    for label in manifest.root.at("spec", "selector").fields().values():
        label.took("who answers is the Service's to know: its address is the target")
    draft.versions["stable"] = target(manifest.host(manifest.name), port)
    draft.policy["rolling"] = {"version": "stable"}
    return draft


def _active(manifest: Manifest) -> tuple[str, str]:
    """The label that names the colour, and the colour."""
    labels = {key: part.text() for key, part in manifest.root.at("spec", "selector").fields().items()}
    for key in sorted(labels, key=lambda each: each not in _LABELS):
        colour = labels[key].rpartition("-")[2]
        if colour in PAIRS:
            return key, colour
    return next(iter(labels)), ""


def _hosts(manifest: Manifest) -> list[str]:
    """The names under which pods ask for a Service."""
    if not manifest.namespace:
        return [manifest.name]
    long = f"{manifest.name}.{manifest.namespace}"
    return [manifest.name, long, f"{long}.svc", f"{long}.svc.cluster.local"]


def _refers(manifest: Manifest, service: str) -> bool:
    """Whether an object that splits traffic names the Service as one side of its split."""
    return manifest.kind in ("Rollout", "Ingress", "Canary", "VirtualService") and _contains(
        manifest.root.at("spec").value, service
    )


def _contains(value: Json, word: str) -> bool:
    if isinstance(value, dict):
        return any(_contains(each, word) for each in value.values())
    if isinstance(value, list):
        return any(_contains(each, word) for each in value)
    return isinstance(value, str) and word in (value, value.partition(".")[0])
