"""What an Istio rule and a DestinationRule say beside who answers: waits, retries, edits, limits."""

from __future__ import annotations

from proxy.importing.manifest import Json, Part
from proxy.importing.words import plain

_RETRY_ON: dict[str, tuple[str, ...]] = {
    "5xx": ("connect", "reset", "500", "502", "503", "504"),
    "gateway-error": ("502", "503", "504"),
    "connect-failure": ("connect",),
    "reset": ("reset",),
    "reset-before-request": ("reset",),
    "unavailable": ("503",),
}
_STATUSES = ("500", "502", "503", "504")
_BALANCE = {
    "ROUND_ROBIN": "round_robin",
    "LEAST_REQUEST": "least_busy",
    "LEAST_CONN": "least_busy",
    "UNSPECIFIED": "least_busy",
}


def of_rule(rule: Part, matches: list[dict[str, Json]]) -> dict[str, Json]:
    """The keys of a route or service for a rule's timeout, retries, rewrite, redirect and headers."""
    rule.at("fault").lacks("Shunt injects no faults")
    rule.at("corsPolicy").lacks("the application answers CORS itself")
    found: dict[str, Json] = {
        "timeouts": {"request": rule.at("timeout").took().text()} if rule.at("timeout") else {},
        "retries": _retries(rule.at("retries")),
        "headers": headers(rule.at("headers")),
        "rewrite": _rewrite(rule.at("rewrite"), matches),
        "redirect": _redirect(rule.at("redirect")),
    }
    return {key: said for key, said in found.items() if said}


def _retries(retries: Part) -> dict[str, Json]:
    said: dict[str, Json] = {}
    if retries.at("attempts"):
        retries.at("attempts").took("Istio counts the tries after the first, Shunt all of them")
        said["attempts"] = plain(retries.at("attempts").number() + 1)
    for theirs, key in (("perTryTimeout", "per_try"), ("backoff", "backoff")):
        if retries.at(theirs):
            said[key] = retries.at(theirs).took().text()
    causes = _causes(retries.at("retryOn"))
    if causes:
        said["on"] = [*causes]
    if retries:
        retries.remark("Shunt repeats idempotent requests only, and retries at most 20 % of the recent ones")
    return said


def _causes(written: Part) -> list[str]:
    words = [word.strip() for word in written.text().split(",") if word.strip()]
    found = dict.fromkeys(
        cause for word in words for cause in (_RETRY_ON.get(word) or ((word,) if word in _STATUSES else ()))
    )
    unknown = [word for word in words if word not in _RETRY_ON and word not in _STATUSES]
    written.took(f"{', '.join(unknown)}: no counterpart" if unknown else "")
    return [*found]


def headers(part: Part) -> dict[str, Json]:
    """Edits of headers, said in the same words; Host is a rewrite and never an edit."""
    said: dict[str, Json] = {}
    for side in ("request", "response"):
        edits: dict[str, Json] = {}
        for verb in ("set", "add"):
            named = {}
            for name, value in part.at(side, verb).fields().items():
                if name.lower() in ("host", ":authority"):
                    value.dropped("write it as rewrite: {host: …}")
                else:
                    named[name] = value.took().text()
            edits |= {verb: {**named}} if named else {}
        removed: list[Json] = [name.took().text() for name in part.at(side, "remove").items()]
        edits |= {"remove": removed} if removed else {}
        said |= {side: edits} if edits else {}
    return said


def _rewrite(rewrite: Part, matches: list[dict[str, Json]]) -> dict[str, Json]:
    said: dict[str, Json] = {}
    if rewrite.at("authority"):
        said["host"] = rewrite.at("authority").took().text()
    has_path = bool(matches) and all(_has_beginning(match.get("path")) for match in matches)
    if rewrite.at("uri") and has_path:
        said["prefix"] = rewrite.at("uri").took().text()
    elif rewrite.at("uri"):
        rewrite.at("uri").dropped("there is no matched prefix to replace")
    rewrite.at("uriRegexRewrite").lacks("Shunt rewrites prefixes")
    return said


def _has_beginning(path: Json | None) -> bool:
    return isinstance(path, dict) and ("prefix" in path or "exact" in path)


def _redirect(redirect: Part) -> dict[str, Json]:
    said: dict[str, Json] = {}
    for theirs, key in (("scheme", "scheme"), ("authority", "host"), ("uri", "path")):
        if redirect.at(theirs):
            said[key] = redirect.at(theirs).took().text()
    if redirect.at("port"):
        said["port"] = plain(redirect.at("port").took().number())
    if said:
        said["status"] = plain(redirect.at("redirectCode").took().number(301))
    redirect.at("derivePort").lacks("the port stays as it came unless one is given")
    return said


def of_destination(policy: Part) -> tuple[dict[str, Json], list[str]]:
    """The service's keys for a DestinationRule's trafficPolicy, and the identity it hashes by."""
    pool, outliers, balancer = policy.at("connectionPool"), policy.at("outlierDetection"), policy.at("loadBalancer")
    sections = {
        "timeouts": (("connect", pool.at("tcp", "connectTimeout")),),
        "pool": (("idle", pool.at("http", "idleTimeout")),),
        "limits": (
            ("max_connections", pool.at("tcp", "maxConnections")),
            ("max_pending", pool.at("http", "http1MaxPendingRequests")),
        ),
        "eject": (
            ("after", outliers.at("consecutive5xxErrors") or outliers.at("consecutiveGatewayErrors")),
            ("for", outliers.at("baseEjectionTime")),
            ("max", outliers.at("maxEjectionPercent")),
        ),
    }
    said: dict[str, Json] = {}
    for section, keys in sections.items():
        written: dict[str, Json] = {key: part.took().value for key, part in keys if part}
        said |= {section: written} if written else {}
    simple = balancer.at("simple")
    if simple.text() in _BALANCE:
        said["balance"] = _BALANCE[simple.took().text()]
    else:
        simple.lacks("Shunt balances by least_busy, round_robin or hash")
    identity = _identity(balancer.at("consistentHash"))
    if identity:
        said["balance"] = "hash"
    policy.at("tls").lacks("TLS to targets is not supported")
    return said, identity


def _identity(by: Part) -> list[str]:
    if by.at("httpHeaderName"):
        return [f"header:{by.at('httpHeaderName').took().text()}"]
    if by.at("httpCookie", "name"):
        return [f"cookie:{by.at('httpCookie', 'name').took().text()}"]
    return ["client"] if by.at("useSourceIp").took().value is True else []
