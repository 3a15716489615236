"""Conditions that can be met and are meant: one comparison each, names that exist in HTTP, readable patterns."""

from __future__ import annotations

from collections.abc import Callable

from proxy.config.checks.words import check_methods, check_path, has_control, is_token
from proxy.config.faults import Path
from proxy.config.tree import Branch, Items, Node, Report, branch, text, texts
from proxy.errors import Invalid
from proxy.values import network, pattern

COMPARISONS = ("exact", "prefix", "regex", "present")


def check_when(node: Node, path: Path, report: Report) -> None:
    """A `match` or `when`, with all that it contains."""
    if not isinstance(node, Branch) or not node:
        return
    for key in ("any", "method", "client"):
        if node.get(key) == Items():
            report.add((*path, key), "is an empty list", "name at least one, or take it out")
    if "path" in node:
        _check_path(node["path"], (*path, "path"), report)
    check_methods(node, "method", path, report)
    for key, check_name in _NAMED.items():
        if key in node:
            _check_values(branch(node, key), check_name, (*path, key), report)
    for index, written in texts(node, "client"):
        _check(network, written, (*path, "client", index), report, "write an address or a network such as 10.0.0.0/8")
    alternatives = node.get("any")
    if isinstance(alternatives, Items):
        for index, each in enumerate(alternatives):
            check_when(each, (*path, "any", index), report)
    check_when(node.get("not"), (*path, "not"), report)


def _check_path(node: Node, path: Path, report: Report) -> None:
    _check_text(node, path, report)
    if isinstance(node, Branch) and "present" in node:
        report.add((*path, "present"), "a path is always present", "give exact, prefix or regex")
    for key in ("exact", "prefix"):
        written = text(node, key)
        if written is not None:
            check_path(written, (*path, key), report)


def _check_values(values: Branch, check_name: Callable[[str], str], path: Path, report: Report) -> None:
    seen: dict[str, str] = {}
    for name, compared in values.items():
        cure = check_name(name)
        if cure:
            report.add((*path, name), f"{name!r} is not a name that can come", cure)
        folded = name.lower() if path[-1] == "header" else name
        if seen.setdefault(folded, name) != name:
            report.add((*path, name), f"is the same header as {seen[folded]}", "put both conditions under `any`")
        _check_text(compared, (*path, name), report)


def _check_text(node: Node, path: Path, report: Report) -> None:
    if not isinstance(node, Branch):
        return
    given = [key for key in COMPARISONS if key in node]
    if len(given) != 1:
        wrong = f"has {' and '.join(given)}" if given else "compares with nothing"
        report.add(path, wrong, f"give exactly one of {', '.join(COMPARISONS)}")
    regex = text(node, "regex")
    if regex is not None:
        _check(pattern, regex, (*path, "regex"), report, "write it in the syntax of RE2")
    for key in ("exact", "prefix"):
        written = text(node, key)
        if written is not None and has_control(written):
            report.add((*path, key), "has a control character, which no request can have", "take it out")


def _check(read: Callable[[str], object], written: str, path: Path, report: Report, cure: str) -> None:
    try:
        read(written)
    except Invalid as fault:
        report.add(path, str(fault), cure)
    except UnicodeEncodeError:
        report.add(path, f"{written!r} has half a character", "write whole characters")


def _header(name: str) -> str:
    return "" if is_token(name) else "write a header's name, such as x-user-id"


def _cookie(name: str) -> str:
    return "" if is_token(name) else "write a cookie's name, such as session"


def _parameter(name: str) -> str:
    return "take control characters out" if has_control(name) else ""


_NAMED = {"header": _header, "cookie": _cookie, "query": _parameter}
