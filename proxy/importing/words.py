"""Words that several kinds of manifest share: versions, shares, comparisons of text, targets."""

from __future__ import annotations

import re
from collections.abc import Mapping

from proxy.importing.manifest import Json, Manifest, Part

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._+~-]+")
_CANDIDATES = ("canary", "candidate", "next", "preview", "new", "green")


def name_of(written: str) -> str:
    """A name that rules accept."""
    return _NOT_IN_NAMES.sub("-", written).strip("-") or "unnamed"


def target(host: str, port: int | str) -> str:
    """The target at a host's port."""
    return f"http://{host}:{port}"


def split(weights: Mapping[str, float]) -> dict[str, Json]:
    """The chooser for versions and their weights, in the shortest words that mean the same."""
    total = sum(weights.values())
    if len(weights) == 1 or not total:
        return {"rolling": {"version": next(iter(weights))}}
    if len(weights) > 2:
        return {"canary": {"weights": {name: plain(weight) for name, weight in weights.items()}}}
    stable, candidate = ordered(*weights)
    percent = weights[candidate] * 100 / total
    return {"canary": {"stable": stable, "candidate": candidate, "weight": plain(percent)}}


def ordered(first: str, second: str) -> tuple[str, str]:
    """Stable and candidate: by what they are called, else in the order written."""
    is_swapped = any(word in first.lower() for word in _CANDIDATES) and not any(
        word in second.lower() for word in _CANDIDATES
    )
    return (second, first) if is_swapped else (first, second)


def plain(number: float) -> int | float:
    """A whole number without its point, any other with few digits."""
    rounded = round(number, 6)
    return int(rounded) if rounded.is_integer() else rounded


def comparison(part: Part) -> Json:
    """Istio's StringMatch as a comparison; None where it cannot be said. An empty one asks for presence."""
    fields = part.fields()
    for key in ("exact", "prefix", "regex"):
        if key in fields:
            compared = fields[key].took().text()
            return compared if key == "exact" else {key: compared}
    if fields:
        return None
    part.took()
    return {"present": True}


def either(alternatives: list[dict[str, Json]]) -> dict[str, Json]:
    """One condition that holds where any of these does."""
    return alternatives[0] if len(alternatives) == 1 else {"any": [*alternatives]}


def port_of(part: Part, manifests: list[Manifest], service: str) -> int | str:
    """A port number, looked up in the Services of the import when it has a name or is not said; 80 if nowhere."""
    if part.text().isdecimal():
        return part.took().text()
    ports = [
        port
        for manifest in manifests
        if manifest.kind == "Service" and manifest.name == service.partition(".")[0]
        for port in manifest.root.at("spec", "ports").items()
        if not part or port.at("name").text() == part.text()
    ]
    if ports and ports[0].at("port"):
        part.took("as the Service says")
        return ports[0].at("port").text()
    part.dropped("the name of a port means nothing without its Service: 80 is assumed, or give --target")
    if not part:
        part.remark("no port is named: 80 is assumed, or give --target")
    return 80
