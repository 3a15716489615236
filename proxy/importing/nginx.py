"""ingress-nginx: a canary Ingress beside the main one becomes the candidate of its paths."""

from __future__ import annotations

from proxy.importing.draft import Draft
from proxy.importing.manifest import Json, Manifest, Part
from proxy.importing.nginx_annotations import PREFIX, canary_of, policy_of
from proxy.importing.words import name_of, port_of, target

KINDS = (("networking.k8s.io", "Ingress"), ("extensions", "Ingress"))


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """One service for each host of a main Ingress; a canary Ingress is read together with its main one."""
    spec = manifest.root.at("spec")
    spec.at("tls").lacks("TLS on the listeners is not supported")
    spec.at("ingressClassName").dropped("Shunt answers on its own listeners")
    if is_canary(manifest):
        if not any(each.kind == "Ingress" and not is_canary(each) for each in among):
            spec.remark("a canary Ingress means nothing without the main one: import both together")
        return []
    if manifest.group == "extensions":
        manifest.root.at("apiVersion").remark("not quite valid: gone since Kubernetes 1.22; networking.k8s.io/v1 holds")
    canaries = [each for each in among if each.kind == "Ingress" and is_canary(each)]
    return [draft for rule in spec.at("rules").items() if (draft := _Host(manifest, among, canaries).read(rule))]


def is_canary(manifest: Manifest) -> bool:
    """Whether the Ingress only adds to another one."""
    return manifest.root.at("metadata", "annotations", f"{PREFIX}canary").text() == "true"


class _Host:
    """One host of a main Ingress on its way into a draft."""

    def __init__(self, manifest: Manifest, among: list[Manifest], canaries: list[Manifest]) -> None:
        self._manifest = manifest
        self._among = among
        self._canaries = canaries

    def read(self, rule: Part) -> Draft | None:
        """The service of this host, None when it has no paths."""
        host = rule.at("host").took().text("*")
        name = self._manifest.name if len(self._manifest.root.at("spec", "rules").items()) == 1 else host
        draft = Draft(name=name_of(name), origin=rule, hosts=[host])
        draft.policy |= policy_of(self._manifest)
        paths = rule.at("http", "paths").items()
        for path in paths:
            policy = self._policy(draft, host, path)
            match = _match(path)
            if not match and not draft.chooser:
                draft.policy |= policy
            else:
                draft.routes.append({"name": f"path-{path.path[-1]}", "match": match, **policy})
        return draft if draft.versions else None

    def _policy(self, draft: Draft, host: str, path: Part) -> dict[str, Json]:
        main = self._version(draft, self._manifest, path)
        for canary in self._canaries:
            for rule in canary.root.at("spec", "rules").items():
                for other in rule.at("http", "paths").items():
                    if rule.at("host").text("*") == host and other.at("path").text("/") == path.at("path").text("/"):
                        rule.at("host").took()
                        candidate = self._version(draft, canary, other)
                        other.at("path").took("the same path as the main Ingress")
                        other.at("pathType").took()
                        return canary_of(canary, main, candidate)
        return {"rolling": {"version": main}}

    def _version(self, draft: Draft, manifest: Manifest, path: Part) -> str:
        """The version that a path's backend stands for; the old form has serviceName and servicePort."""
        backend = path.at("backend")
        named = backend.at("service", "name") or backend.at("serviceName")
        service = named.took().text("unnamed")
        numbered = backend.at("service", "port", "number") or backend.at("service", "port", "name")
        port = port_of(numbered or backend.at("servicePort"), self._among, service)
        version = name_of(service)
        address = target(manifest.host(service), port)
        if draft.versions.setdefault(version, address) != address:
            version = name_of(f"{service}-{port}")
            draft.versions[version] = address
        return version


def _match(path: Part) -> dict[str, Json]:
    written = path.at("path").took().text("/")
    kind = path.at("pathType").took().text("ImplementationSpecific")
    if kind == "Exact":
        return {"path": {"exact": written}}
    if kind == "ImplementationSpecific" and any(letter in written for letter in "()[]*+^$"):
        path.at("path").remark(
            "read as a regular expression, as with use-regex; nginx then ignores case, Shunt does not"
        )
        return {"path": {"regex": written if written.endswith("$") else f"{written}.*"}}
    return {"path": {"prefix": written}} if written != "/" else {}
