"""A small faithful part of kustomize: what the manifests here use, so that they are tested without it too.

Resources, components, namespace, labels, images, and ConfigMaps from files; a field that is not known
here is an error, never ignored. `test_manifests` holds it against the real one wherever that is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KNOWN = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "configMapGenerator",
    "labels",
    "images",
}
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


def render(directory: Path) -> list[Object]:
    """All objects of a kustomization."""
    return _render(directory, [])


def _render(directory: Path, before: list[Object]) -> list[Object]:
    said = yaml.safe_load((directory / "kustomization.yaml").read_text())
    assert set(said) <= KNOWN, f"{directory}: {set(said) - KNOWN} is not known to the tests' kustomize"
    objects = list(before)
    for resource in said.get("resources", ()):
        objects += _resource(directory / resource)
    for component in said.get("components", ()):
        objects = _render(directory / component, objects)
    for generated in said.get("configMapGenerator", ()):
        _generate(directory, generated, objects)
    for one in objects:
        _transform(one, said)
    return objects


def _resource(path: Path) -> list[Object]:
    if path.is_dir():
        return render(path)
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def _generate(directory: Path, generated: Object, objects: list[Object]) -> None:
    assert set(generated) <= {"name", "files", "options", "behavior"}
    assert generated["options"]["disableNameSuffixHash"] is True
    name, labels = generated["name"], generated["options"].get("labels")
    data = {file: (directory / file).read_text() for file in generated["files"]}
    metadata = {"name": name, **({"labels": dict(labels)} if labels else {})}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if generated.get("behavior") == "replace":
        (former,) = [one for one in objects if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name]
        former["data"] = data
    else:
        objects.append(made)


def _transform(one: Object, said: Object) -> None:
    if "namespace" in said and one["kind"] not in CLUSTER_WIDE:
        one["metadata"]["namespace"] = said["namespace"]
        for subject in one.get("subjects", ()):
            subject["namespace"] = said["namespace"]
    if "namespace" in said and one["kind"] == "Namespace":
        assert one["metadata"]["name"] == said["namespace"]
    for each in said.get("labels", ()):
        one["metadata"].setdefault("labels", {}).update(each["pairs"])
    for image in said.get("images", ()):
        for container in containers(one):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def pod(one: Object) -> Object:
    """The pod template's spec; empty for what has none."""
    template: Object = one.get("spec", {}).get("template", {}) if one["kind"] == "Deployment" else {}
    spec: Object = template.get("spec", {})
    return spec


def containers(one: Object) -> list[Object]:
    """Every container of an object's pods."""
    spec = pod(one)
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]
