"""Edits of headers that a proxy may make: real names, harmless values, nothing that frames a message."""

from __future__ import annotations

from proxy.config.checks.words import has_control, is_token
from proxy.config.faults import Path
from proxy.config.tree import Node, Report, branch, texts

FRAMING = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Of one connection only (RFC 9110 §7.6.1), or what a message's end is found by: the proxy's own to write."""


def check_headers(node: Node, path: Path, report: Report) -> None:
    """The `headers` of a service, a route or a version."""
    headers = branch(node, "headers")
    for side in ("request", "response"):
        edits = branch(headers, side)
        for verb in ("set", "add"):
            for name, value in branch(edits, verb).items():
                where = (*path, "headers", side, verb, name)
                _check_name(name, where, report)
                if isinstance(value, str) and has_control(value):
                    report.add(where, "has a control character in its value", "take it out; a header is one line")
        for index, name in texts(edits, "remove"):
            _check_name(name, (*path, "headers", side, "remove", index), report)


def _check_name(name: str, path: Path, report: Report) -> None:
    lower = name.lower()
    if not is_token(name):
        report.add(path, f"{name!r} is not the name of a header", "use letters, digits and -")
    elif lower in FRAMING:
        report.add(path, f"{name} belongs to the connection, which the proxy keeps itself", "take it out")
    elif lower == "host":
        report.add(path, "Host is not edited as a header", "use rewrite: {host: …}")
