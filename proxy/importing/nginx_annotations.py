"""Annotations of ingress-nginx: header before cookie before weight, as the controller asks them."""

from __future__ import annotations

from proxy.importing.manifest import Json, Manifest, Part
from proxy.importing.words import plain

PREFIX = "nginx.ingress.kubernetes.io/"


def canary_of(manifest: Manifest, main: str, candidate: str) -> dict[str, Json]:
    """The keys of the split between the main Ingress and this one."""
    note = _Annotations(manifest)
    note("canary").took()
    flags = [*_by_header(note("canary-by-header"), note, main, candidate)]
    cookie = note("canary-by-cookie").took().text()
    if cookie:
        flags += [
            _flag("canary-by-cookie", {"cookie": {cookie: "always"}}, candidate),
            _flag("canary-by-cookie-never", {"cookie": {cookie: "never"}}, main),
        ]
    total = note("canary-weight-total").took().number(100) or 100
    weight = note("canary-weight").took().number() * 100 / total
    note("affinity-canary-behavior").dropped("`identity` says who stays where")
    said: dict[str, Json] = {"canary": {"stable": main, "candidate": candidate, "weight": plain(min(weight, 100))}}
    return {"flags": flags, **said} if flags else said


def _by_header(header: Part, note: _Annotations, main: str, candidate: str) -> list[Json]:
    name = header.took().text()
    value, pattern = note("canary-by-header-value"), note("canary-by-header-pattern")
    if not name:
        for part in (value, pattern):
            part.dropped("it means nothing without canary-by-header")
        return []
    if value:
        pattern.dropped("ignored beside canary-by-header-value, as by the controller")
        return [_flag("canary-by-header", {"header": {name: value.took().text()}}, candidate)]
    if pattern:
        # The controller searches in the value (ngx.re.match); Shunt's expressions match the whole of it.
        searched = f".*(?:{pattern.took().text()}).*"
        pattern.remark("nginx's expressions are PCRE, Shunt's RE2: lookaheads and backreferences are refused")
        return [_flag("canary-by-header", {"header": {name: {"regex": searched}}}, candidate)]
    return [
        _flag("canary-by-header", {"header": {name: "always"}}, candidate),
        _flag("canary-by-header-never", {"header": {name: "never"}}, main),
    ]


def policy_of(manifest: Manifest) -> dict[str, Json]:
    """The service's keys for the annotations of a main Ingress."""
    note = _Annotations(manifest)
    timeouts: dict[str, Json] = {}
    if note("proxy-connect-timeout"):
        timeouts["connect"] = plain(note("proxy-connect-timeout").took().number())
    if note("proxy-read-timeout"):
        read = plain(note("proxy-read-timeout").took("between two reads: until the head, and in the body").number())
        timeouts |= {"response": read, "idle": read}
    said: dict[str, Json] = {"timeouts": timeouts} if timeouts else {}
    if note("affinity"):
        note("affinity").took("`mint`: who has no cookie gets one; it keeps to a version, not to a pod")
        said["identity"] = ["mint"]
    if note("proxy-next-upstream-tries"):
        tries = note("proxy-next-upstream-tries").took()
        said |= {"retries": {"attempts": plain(tries.number())}} if tries.number() else {}
    if note("upstream-vhost"):
        said["rewrite"] = {"host": note("upstream-vhost").took().text()}
    return said


class _Annotations:
    """The annotations of one Ingress by their short names."""

    def __init__(self, manifest: Manifest) -> None:
        self._part = manifest.root.at("metadata", "annotations")

    def __call__(self, name: str) -> Part:
        return self._part.at(f"{PREFIX}{name}")


def _flag(name: str, when: dict[str, Json], version: str) -> Json:
    return {"name": name, "when": when, "version": version}
