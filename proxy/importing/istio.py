"""Istio's VirtualService: its rules are asked in their order, its destinations are versions."""

from __future__ import annotations

from proxy.importing import istio_match, istio_policy
from proxy.importing.destinations import Destinations
from proxy.importing.draft import Draft
from proxy.importing.manifest import Json, Manifest, Part
from proxy.importing.words import either, name_of, split

KINDS = (("networking.istio.io", "VirtualService"),)

_MESH = {
    "gateways": "Shunt answers on its own listeners",
    "exportTo": "Shunt answers whoever reaches it",
    "tcp": "Shunt routes HTTP",
    "tls": "Shunt routes HTTP",
}
_ENDINGS = ("directResponse", "delegate")
"""Without them their requests would go somewhere else, so a rule that has one is left out."""


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """One service; header rules before all others become flags, rules with other conditions routes."""
    spec = manifest.root.at("spec")
    for key, why in _MESH.items():
        spec.at(key).lacks(why)
    draft = Draft(name=name_of(manifest.name), origin=spec.at("http"))
    draft.hosts = [host.took().text() for host in spec.at("hosts").items()]
    _Rules(draft, Destinations(manifest, among, draft)).read(spec.at("http").items())
    if not draft.versions:
        spec.at("http").remark("no rule leads to a destination that Shunt can ask: nothing is imported")
        return []
    return [draft]


class _Rules:
    """The rules of one VirtualService on their way into a draft."""

    def __init__(self, draft: Draft, destinations: Destinations) -> None:
        self._draft = draft
        self._destinations = destinations
        self._fallback: dict[str, Json] | None = None

    def read(self, rules: list[Part]) -> None:
        """Take every rule in its order."""
        for rule in rules:
            if self._fallback is not None and not _is_bare_mirror(rule):
                rule.dropped("never reached: a rule above it takes every request")
                continue
            self._read_rule(rule, self._name(rule))
        self._settle()

    def _read_rule(self, rule: Part, name: str) -> None:
        for ending in _ENDINGS:
            if rule.at(ending):
                rule.dropped(f"{ending} has no counterpart, and without it other targets would get its requests")
                return
        matches = istio_match.conditions(rule.at("match"))
        if matches is None:
            rule.dropped("none of its matches can be said in rules; without them it would take other requests")
            return
        policy = self._policy(rule, matches)
        if _is_bare_mirror(rule):
            self._mirror_alone(rule, policy)
        elif not matches:
            self._fallback = policy
        elif self._is_flag(matches, policy):
            self._add_flag(name, matches, policy)
        elif policy:
            self._draft.routes.append({"name": name, "match": either(matches), **policy})

    def _policy(self, rule: Part, matches: list[dict[str, Json]]) -> dict[str, Json]:
        weights: dict[str, float] = {}
        for destination in rule.at("route").items():
            version = self._destinations.version(destination.at("destination"))
            is_alone = len(rule.at("route").items()) == 1
            destination.at("weight").took()
            weights[version] = weights.get(version, 0.0) + destination.at("weight").number(100 if is_alone else 0)
            headers = istio_policy.headers(destination.at("headers"))
            if headers and self._draft.version_headers.setdefault(version, headers) != headers:
                destination.at("headers").dropped(f"version {version} has other edits already, from another rule")
        policy: dict[str, Json] = split(weights) if weights else {}
        shadows = [each for each in (self._shadow(rule, *pair) for pair in _mirrors(rule)) if each]
        if shadows:
            policy["shadow"] = [*shadows]
        return policy | istio_policy.of_rule(rule, matches)

    def _shadow(self, rule: Part, destination: Part, percentage: Part) -> dict[str, Json]:
        version = self._destinations.version(destination)
        destination.remark("Istio copies every method; Shunt GET and HEAD, others only where `methods` lists them")
        share = percentage.at("value") if percentage.fields() else percentage
        return {"version": version, **({"percent": share.took().number(100)} if percentage else {})}

    def _mirror_alone(self, rule: Part, policy: dict[str, Json]) -> None:
        rule.remark(
            "not quite valid: a rule with only a mirror has no route, Istio refuses it; it is read as the mirror of "
            "the rule above, which is surely meant"
        )
        if self._fallback is None:
            self._draft.policy |= policy
        else:
            self._fallback |= policy

    def _is_flag(self, matches: list[dict[str, Json]], policy: dict[str, Json]) -> bool:
        """Whether it only says who goes to one version, before any rule about paths: that is a flag, word for word."""
        is_about_people = all(not match.keys() & {"path", "method"} for match in matches)
        return is_about_people and [*policy] == ["rolling"] and not self._draft.routes

    def _add_flag(self, name: str, matches: list[dict[str, Json]], policy: dict[str, Json]) -> None:
        rolling = policy["rolling"]
        version = rolling["version"] if isinstance(rolling, dict) else None
        flags = self._draft.policy.setdefault("flags", [])
        if isinstance(flags, list):
            flags.append({"name": name, "when": either(matches), "version": version})

    def _settle(self) -> None:
        """The rule for all other requests is the service's own, unless routes would inherit from it."""
        if self._fallback is None:
            return
        if self._draft.routes and self._fallback.keys() - {"rolling", "canary"}:
            self._draft.routes.append({"name": "everything-else", **self._fallback})
        else:
            self._draft.policy |= self._fallback

    def _name(self, rule: Part) -> str:
        """The rule's name, made different from every other one."""
        flags = self._draft.policy.get("flags")
        named = (*self._draft.routes, *(flags if isinstance(flags, list) else ()))
        taken = {each["name"] for each in named if isinstance(each, dict)}
        name = first = name_of(rule.at("name").took().text(f"rule-{rule.path[-1]}"))
        number = 2
        while name in taken:
            name, number = f"{first}-{number}", number + 1
        return name


def _is_bare_mirror(rule: Part) -> bool:
    fields = set(rule.fields())
    return bool(fields & {"mirror", "mirrors"}) and not fields & {"route", "redirect", "match", *_ENDINGS}


def _mirrors(rule: Part) -> list[tuple[Part, Part]]:
    """Every destination that hears a copy, with its percentage."""
    several = [(each.at("destination"), each.at("percentage")) for each in rule.at("mirrors").items()]
    percentage = rule.at("mirrorPercentage") or rule.at("mirrorPercent") or rule.at("mirror_percent")
    return [*several, (rule.at("mirror"), percentage)] if rule.at("mirror") else several
