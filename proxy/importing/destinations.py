"""Istio's destinations: a host and a subset of its pods become a version with an address of its own."""

from __future__ import annotations

from proxy.importing import istio_policy
from proxy.importing.draft import Draft
from proxy.importing.manifest import Manifest, Part
from proxy.importing.words import name_of, port_of, target

GROUP = "networking.istio.io"


class Destinations:
    """The versions that the destinations of one VirtualService stand for."""

    def __init__(self, manifest: Manifest, among: list[Manifest], draft: Draft) -> None:
        self._manifest = manifest
        self._among = among
        self._draft = draft
        self._rules = {
            each.root.at("spec", "host").text().partition(".")[0]: each
            for each in among
            if each.group == GROUP and each.kind == "DestinationRule"
        }
        self._seen: set[str] = set()

    def version(self, destination: Part) -> str:
        """The name of the version, added to the draft when it is new."""
        host = destination.at("host").took().text("unnamed")
        subset = destination.at("subset").took().text()
        name = name_of(subset or host.partition(".")[0])
        port = port_of(destination.at("port", "number"), self._among, host)
        asked = _of_subset(host, subset) if subset else host
        address = target(self._manifest.host(asked), port)
        if self._draft.versions.setdefault(name, address) != address:
            name = name_of(f"{host.partition('.')[0]}-{subset}-{port}" if subset else f"{name}-{port}")
            self._draft.versions[name] = address
        self._read_rule(host)
        if subset:
            self._explain_subset(destination, host, subset, asked)
        return name

    def _read_rule(self, host: str) -> None:
        """Take over what the host's DestinationRule says about all its subsets."""
        rule = self._rules.get(host.partition(".")[0])
        if rule is None or host in self._seen:
            return
        self._seen.add(host)
        spec = rule.root.at("spec")
        spec.at("host").took()
        spec.at("exportTo").lacks("Shunt answers whoever reaches it")
        spec.at("workloadSelector").lacks("Shunt has no sidecars to choose from")
        policy, identity = istio_policy.of_destination(spec.at("trafficPolicy"))
        for key, said in policy.items():
            self._draft.policy.setdefault(key, said)
        if identity:
            self._draft.policy.setdefault("identity", [*identity])

    def _explain_subset(self, destination: Part, host: str, subset: str, asked: str) -> None:
        rule = self._rules.get(host.partition(".")[0])
        subsets = rule.root.at("spec", "subsets").items() if rule else []
        found = [each for each in subsets if each.at("name").text() == subset]
        service = asked.partition(".")[0]
        if not found:
            destination.at("subset").remark(
                f"no DestinationRule here says which pods subset {subset} are: {service} is assumed to be a Service "
                "that selects them, or give --target"
            )
            return
        found[0].at("name").took()
        found[0].at("trafficPolicy").lacks("what is said about targets is said for all versions of a service")
        labels = found[0].at("labels")
        if labels.fields():
            said = ", ".join(f"{key}={part.text()}" for key, part in labels.fields().items())
            labels.took(f"as a Service of its own, {service}, with these labels in its selector ({said})")


def _of_subset(host: str, subset: str) -> str:
    """The name of a Service for the subset, in the same namespace."""
    service, dot, rest = host.partition(".")
    return f"{service}-{subset}{dot}{rest}"
