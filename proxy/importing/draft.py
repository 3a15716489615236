"""Drafts: services in the words of rules.yaml while they are being gathered, and how several become one."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.importing.manifest import Json, Part

CHOOSERS = ("canary", "blue_green", "rolling")
"""Who wins when two objects say who answers: the more there is to say, the more it was meant."""


@dataclass(kw_only=True)
class Draft:
    """A service as one manifest describes it."""

    name: str
    origin: Part
    """Where remarks about it go."""
    hosts: list[str] = field(default_factory=list)
    """Empty: the manifest names none."""
    versions: dict[str, str] = field(default_factory=dict)
    """The target of each version."""
    version_headers: dict[str, Json] = field(default_factory=dict)
    policy: dict[str, Json] = field(default_factory=dict)
    routes: list[dict[str, Json]] = field(default_factory=list)

    @property
    def chooser(self) -> str:
        """The key that says who answers, "" if none does."""
        return next((key for key in CHOOSERS if key in self.policy), "")

    def written(self) -> dict[str, Json]:
        """The service as it stands in rules.yaml."""
        said: dict[str, Json] = {"hosts": [*(self.hosts or [self.name])], "versions": self._versions()}
        said |= self.policy
        if self.routes:
            said["routes"] = [*self.routes]
        return said

    def _versions(self) -> dict[str, Json]:
        with_headers: dict[str, Json] = {
            name: {"targets": [target], "headers": self.version_headers[name]}
            for name, target in self.versions.items()
            if name in self.version_headers
        }
        plain: dict[str, Json] = {**self.versions}
        return plain | with_headers


def joined(drafts: list[Draft]) -> dict[str, Draft]:
    """One draft for each service; who loses the choice is told so."""
    found: dict[str, Draft] = {}
    for draft in sorted(drafts, key=_weight):
        first = found.setdefault(draft.name, draft)
        if first is not draft:
            _join(first, draft)
    return found


def _weight(draft: Draft) -> tuple[bool, int]:
    """A rollout first, because it moves what the others only state; then by how much is said."""
    chooser = draft.chooser
    return "progressive" not in draft.policy, CHOOSERS.index(chooser) if chooser else len(CHOOSERS)


def _join(kept: Draft, other: Draft) -> None:
    """Add to the kept draft what it does not say itself."""
    if other.chooser and kept.chooser:
        key = other.chooser
        lost = str(other.policy.pop(key)).replace("'", "")
        said = f"service {kept.name} is described more than once: `{kept.chooser}` holds, not `{key}: {lost}`"
        other.origin.remark(said)
        kept.origin.remark(said)
    kept.hosts += [host for host in other.hosts if host not in kept.hosts]
    kept.policy = {**other.policy, **kept.policy}
    kept.routes = kept.routes or other.routes
    used = _names(other.policy) | _names(other.routes)
    for name, target in other.versions.items():
        if name in used or not kept.versions:
            kept.versions.setdefault(name, target)
    kept.version_headers = {**other.version_headers, **kept.version_headers}


def _names(value: Json | list[dict[str, Json]]) -> set[str]:
    """Every text and key in there: whatever may be the name of a version."""
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    if isinstance(value, list):
        return set().union(*map(_names, value))
    return {value} if isinstance(value, str) else set()
