"""Strategies that can be obeyed: known versions, something to share out, one of a kind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import isfinite
from typing import NamedTuple

from proxy.config.checks.conditions import check_when
from proxy.config.checks.words import check_methods, check_minimum, check_name, is_authority
from proxy.config.faults import Path, meant
from proxy.config.tree import Branch, Node, Report, branch, items, text, texts


class Subject(NamedTuple):
    """The service or route whose strategy is checked."""

    policy: Branch
    service: Branch
    path: Path
    versions: Collection[str]
    report: Report

    def version(self, node: Node, key: str, path: Path) -> str | None:
        """The version named below a key, reported if there is no such version."""
        name = text(node, key)
        if name is not None:
            self.known(name, (*path, key))
        return name

    def known(self, name: str, path: Path) -> None:
        """Report a version that the service does not have."""
        if name not in self.versions:
            cure = meant(name, self.versions, what="the versions are") or "name it under versions"
            self.report.add(path, f"there is no version {name}", cure)


def check_strategies(subject: Subject) -> None:
    """Every strategy that the policy names."""
    chosen = [key for key in CHOOSERS if key in subject.policy]
    if len(chosen) > 1:
        where = (*subject.path, chosen[1])
        subject.report.add(where, f"stands beside {chosen[0]}", f"keep exactly one of {', '.join(CHOOSERS)}")
    for key, check in STRATEGIES.items():
        if key in subject.policy:
            check(subject, subject.policy[key], (*subject.path, key))


def has_chooser(policy: Branch) -> bool:
    """Whether the policy says who answers."""
    return any(key in policy for key in CHOOSERS)


def _rolling(subject: Subject, node: Node, path: Path) -> None:
    subject.version(node, "version", path)


def _blue_green(subject: Subject, node: Node, path: Path) -> None:
    subject.version(node, "active", path)
    preview = branch(node, "preview")
    subject.version(preview, "version", (*path, "preview"))
    check_when(preview.get("when"), (*path, "preview", "when"), subject.report)


def _canary(subject: Subject, node: Node, path: Path) -> None:
    if not isinstance(node, Branch):
        return
    if "weights" in node:
        _weights(subject, node, path)
        return
    stable, candidate = (subject.version(node, key, path) for key in ("stable", "candidate"))
    missing = [key for key in ("stable", "candidate") if key not in node]
    is_moved = "progressive" in subject.policy or "progressive" in subject.service
    missing += [] if "weight" in node or "flag" in node or is_moved else ["weight"]
    if missing:
        subject.report.add(path, f"lacks {' and '.join(missing)}", "give stable, candidate and weight, or weights")
    if stable is not None and stable == candidate:
        subject.report.add((*path, "candidate"), f"stable and candidate are both {stable}", "name two versions")
    if "flag" in node:
        _drawn_by_flag(subject, node, path)


def _drawn_by_flag(subject: Subject, node: Branch, path: Path) -> None:
    if "weight" in node:
        subject.report.add((*path, "flag"), "stands beside weight", "keep one of the two: the flag says how many")
    if text(node, "flag") == "":
        subject.report.add((*path, "flag"), "is empty", "name a feature flag")
    if not texts(subject.service, "identity"):
        wrong = "has nobody to ask for: the service has no identity"
        subject.report.add((*path, "flag"), wrong, "give the service an identity, such as cookie:session")


def _weights(subject: Subject, node: Branch, path: Path) -> None:
    beside = [key for key in ("stable", "candidate", "weight", "flag") if key in node]
    if beside:
        wrong = f"stands beside {' and '.join(beside)}"
        subject.report.add((*path, "weights"), wrong, "give stable, candidate and weight, or weights alone")
    numbers: list[float] = []
    for version, written in branch(node, "weights").items():
        where = (*path, "weights", version)
        subject.known(version, where)
        try:
            number = float(written) if isinstance(written, str) else 1.0
        except ValueError:
            number = 1.0
        if not isfinite(number) or number < 0:
            subject.report.add(where, f"{written} is not a weight", "give a number of 0 or more")
        numbers.append(number)
    if isinstance(node["weights"], Branch) and not any(number > 0 for number in numbers):
        subject.report.add((*path, "weights"), "all weights are 0", "give at least one version more than 0")


def _flags(subject: Subject, node: Node, path: Path) -> None:
    seen: set[str] = set()
    for index, flag in enumerate(items(subject.policy, "flags")):
        where = (*path, index)
        subject.version(flag, "version", where)
        check_when(flag.get("when") if isinstance(flag, Branch) else None, (*where, "when"), subject.report)
        name = text(flag, "name")
        if name is not None:
            check_name(name, (*where, "name"), subject.report)
            check_twice(name, "flag", seen, (*where, "name"), subject.report)


def _shadow(subject: Subject, node: Node, path: Path) -> None:
    for index, shadow in enumerate(items(subject.policy, "shadow")):
        where = (*path, index)
        subject.version(shadow, "version", where)
        check_methods(shadow, "methods", where, subject.report)
        check_minimum(shadow, where, subject.report, max_in_flight=1)
        if isinstance(shadow, Branch):
            check_when(shadow.get("when"), (*where, "when"), subject.report)
        host = text(shadow, "host")
        if host is not None and not is_authority(host, needs_port=False):
            cure = "write preserve, target or a host"
            subject.report.add((*where, "host"), f"{host!r} is not a host", cure)


def _progressive(subject: Subject, node: Node, path: Path) -> None:
    canary, blue_green = branch(subject.policy, "canary"), branch(subject.policy, "blue_green")
    candidate = subject.version(node, "candidate", path)
    if not canary and not blue_green:
        subject.report.add(
            path, "has nothing to move", "put canary, with stable and candidate, or blue_green beside it"
        )
    elif "weights" in canary:
        subject.report.add(path, "cannot move weights", "give the canary stable and candidate")
    elif canary and candidate is not None:
        subject.report.add((*path, "candidate"), "the canary names its candidate itself", "take it out")
    elif blue_green and isinstance(node, Branch) and not candidate:
        subject.report.add(path, "lacks the candidate", "name the colour to go to: candidate: …")
    elif blue_green and candidate is not None and candidate == text(blue_green, "active"):
        subject.report.add((*path, "candidate"), f"{candidate} is active already", "name the other colour")


def check_twice(name: str, what: str, seen: set[str], path: Path, report: Report) -> None:
    """Report a name that has been seen before, else remember it."""
    if name in seen:
        report.add(path, f"there are two {what}s {name}", "rename one of them")
    seen.add(name)


CHOOSERS = ("rolling", "blue_green", "canary")
"""Exactly one of these holds for a request."""

STRATEGIES: dict[str, Callable[[Subject, Node, Path], None]] = {
    "rolling": _rolling,
    "blue_green": _blue_green,
    "canary": _canary,
    "flags": _flags,
    "shadow": _shadow,
    "progressive": _progressive,
}
"""Every strategy's key in the rules, and its check."""
