"""Istio's matches: conditions taken over whole or not at all, because half a condition lets in the wrong people."""

from __future__ import annotations

import re

from proxy.importing.manifest import Json, Part
from proxy.importing.words import comparison, either

_LACKING = ("scheme", "port", "sourceLabels", "sourceNamespace", "gateways")
_METHODS = re.compile(r"[A-Z]+(\|[A-Z]+)*")


def conditions(match: Part) -> list[dict[str, Json]] | None:
    """Each alternative as a `when`; empty for every request, None if every alternative had to be left out."""
    alternatives = match.items()
    found = [when for each in alternatives if (when := _condition(each)) is not None]
    if alternatives and not found:
        return None
    return [] if {} in found else found


def _condition(match: Part) -> dict[str, Json] | None:
    for key in _LACKING:
        if match.at(key):
            match.dropped(f"{key} has no counterpart, and without it the rule would take more requests than before")
            return None
    when: dict[str, Json] = {}
    for key, part in (("path", _path(match)), ("method", _method(match)), ("header", _headers(match))):
        if part is None:
            match.dropped(f"its {key} cannot be said in rules, and without it the rule would take more requests")
            return None
        when |= {key: part} if part else {}
    parameters = {name: comparison(part) for name, part in match.at("queryParams").fields().items()}
    when |= {"query": {**parameters}} if parameters else {}
    unwanted: list[dict[str, Json]] = [
        {"header": {name: comparison(part)}} for name, part in match.at("withoutHeaders").fields().items()
    ]
    if unwanted:
        when["not"] = either(unwanted)
    for key in ("name", "statPrefix"):
        match.at(key).dropped("only a name for logs")
    return when


def _path(match: Part) -> dict[str, Json] | None:
    uri = match.at("uri")
    if not uri:
        return {}
    compared = comparison(uri)
    if match.at("ignoreUriCase").took().value is True:
        return {"regex": _any_case(uri)}
    if isinstance(compared, str):
        return {"exact": compared}
    if not isinstance(compared, dict) or "present" in compared:
        return None
    if compared.get("prefix", "/") != "/":
        uri.at("prefix").remark("Istio compares letters, so /api takes /apiary too; Shunt compares whole segments")
    return {} if compared.get("prefix") == "/" else compared


def _any_case(uri: Part) -> str:
    """The comparison as a pattern that ignores case; regular expressions ignore the switch, as in Istio."""
    if uri.at("regex"):
        return uri.at("regex").text()
    if uri.at("exact"):
        return f"(?i){re.escape(uri.at('exact').text())}"
    return f"(?i){re.escape(uri.at('prefix').text())}.*"


def _method(match: Part) -> list[Json] | None:
    method = match.at("method")
    if not method:
        return []
    compared = comparison(method)
    written = compared if isinstance(compared, str) else method.at("regex").text()
    return [*written.split("|")] if _METHODS.fullmatch(written) else None


def _headers(match: Part) -> dict[str, Json] | None:
    """Headers, with the authority as the Host header that it comes from."""
    found = {name: comparison(part) for name, part in match.at("headers").fields().items()}
    if match.at("authority"):
        found["host"] = comparison(match.at("authority"))
    return None if None in found.values() else found
