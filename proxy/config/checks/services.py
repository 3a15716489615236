"""Services that make sense: hosts claimed once, versions with targets, a strategy for every request."""

from __future__ import annotations

import re

from proxy.config.checks.conditions import check_when
from proxy.config.checks.headers import check_headers
from proxy.config.checks.strategies import CHOOSERS, Subject, check_strategies, check_twice, has_chooser
from proxy.config.checks.targets import check_targets
from proxy.config.checks.words import (
    MAX_PORT,
    check_minimum,
    check_name,
    check_path,
    is_authority,
    is_host,
    is_ipv6,
    is_token,
)
from proxy.config.faults import Path, dotted, meant
from proxy.config.tree import Branch, Items, Report, branch, items, place, text, texts
from proxy.errors import Invalid
from proxy.strategies.sticky import identifier


def check_services(services: Branch, report: Report) -> None:
    """All services, each and together."""
    claimed: dict[str, Path] = {}
    for name, service in services.items():
        path: Path = ("services", name)
        check_name(name, path, report)
        if isinstance(service, Branch):
            _check_hosts(service, path, claimed, report)
            _check_service(service, path, report)


# --- hosts ----------------------------------------------------------------------------------


def _check_hosts(service: Branch, path: Path, claimed: dict[str, Path], report: Report) -> None:
    if service.get("hosts") == Items():
        report.add((*path, "hosts"), "is an empty list", 'name a host, or "*" for every other one')
    for index, host in texts(service, "hosts"):
        where = (*path, "hosts", index)
        cure = _cure(host)
        if cure:
            report.add(where, f"{host!r} is not a host", cure)
            continue
        first = claimed.setdefault(host.lower(), where)
        if first[:2] != where[:2]:
            found = place(report.root, first)
            wrong = f"{host} is claimed by {dotted(first[:2])} too ({found.file}:{found.line})"
            report.add(where, wrong, "let one service answer for it")
        elif first is not where:
            report.add(where, f"{host} stands there twice", "keep one of them")


def _cure(host: str) -> str:
    """What to do about a host that is none; "" for a good one."""
    if host == "*" or is_host(host.removeprefix("*.")):
        return ""
    if "://" in host or "/" in host:
        return "write the name alone, without scheme and path"
    if is_ipv6(host):
        return f'write "[{host}]"'
    if is_authority(host, needs_port=True):
        return "leave the port out: all ports are meant"
    if host.endswith("."):
        return "leave the last dot out"
    if not host.isascii():
        return "write it as browsers send it, in Punycode (xn--…)"
    return 'write a name such as shop.example.com, "*.example.com" or "*"'


# --- one service ----------------------------------------------------------------------------


def _check_service(service: Branch, path: Path, report: Report) -> None:
    versions = branch(service, "versions")
    if "versions" in service and isinstance(service["versions"], Branch) and not versions:
        report.add((*path, "versions"), "is empty", "name at least one version with its targets")
    for name, version in versions.items():
        where = (*path, "versions", name)
        check_name(name, where, report, is_version=True)
        if isinstance(version, Branch):
            check_targets(version, where, report)
            check_headers(version, where, report)
    _check_identity(service, path, report)
    _check_drained(service, versions, path, report)
    _check_health(service, path, report)
    _check_eject(service, path, report)
    check_minimum(service.get("pool"), (*path, "pool"), report, max_idle=0)
    _check_policy(service, service, path, report)
    _check_rewrite(service, None, path, report)
    _check_routes(service, path, report)


def _check_identity(service: Branch, path: Path, report: Report) -> None:
    sources = texts(service, "identity")
    for index, source in sources:
        where = (*path, "identity", index)
        kind, _, name = source.partition(":")
        cure = "write header:<name>, cookie:<name>, client or mint"
        try:
            identifier((source,))
        except (Invalid, UnicodeEncodeError):
            is_bare = not name and kind not in ("header", "cookie")
            close = meant(kind, ("header", "cookie", "client", "mint"), what="") if is_bare else ""
            report.add(where, f"{source!r} is not an identity", close.strip() if "mean" in close else cure)
            continue
        if name and not is_token(name):
            report.add(where, f"{name!r} is not the name of a {kind}", cure)
        elif source == "mint" and index != len(sources) - 1:
            report.add(where, "mint is not last, so nothing after it is ever asked", "move it to the end")


def _check_drained(service: Branch, versions: Branch, path: Path, report: Report) -> None:
    for index, written in texts(service, "drained"):
        name, at, target = written.partition("@")
        where = (*path, "drained", index)
        if name not in versions:
            report.add(where, f"there is no version {name}", meant(name, versions, what="the versions are"))
        elif at and target not in [each for _, each in texts(versions[name], "targets")]:
            report.add(where, f"{name} has no target {target}", "write the target as it stands under versions")


def _check_health(service: Branch, path: Path, report: Report) -> None:
    health = branch(service, "health")
    probed = text(health, "path")
    if probed is not None and not probed.startswith("/"):
        report.add((*path, "health", "path"), f"{probed!r} does not begin with /", f"write /{probed}")
    elif probed is not None and (not probed.isascii() or not probed.isprintable() or " " in probed):
        report.add((*path, "health", "path"), f"{probed!r} is not a path", "write it percent-encoded")
    check_minimum(health, (*path, "health"), report, up_after=1, down_after=1)


def _check_eject(service: Branch, path: Path, report: Report) -> None:
    check_minimum(service.get("eject"), (*path, "eject"), report, after=0)
    most = text(branch(service, "eject"), "max") or ""
    if _FRACTION.fullmatch(most) and float(most) > 0:
        report.add((*path, "eject", "max"), f"{most} would be {most} %", f"write {100 * float(most):g}%")


_FRACTION = re.compile(r"0\.\d{1,9}")
"""What means a part of one where percentages are asked for."""


# --- routes ---------------------------------------------------------------------------------


def _check_routes(service: Branch, path: Path, report: Report) -> None:
    versions = branch(service, "versions")
    routes = items(service, "routes")
    seen: set[str] = set()
    has_own = has_chooser(service) or len(versions) <= 1
    for index, route in enumerate(routes):
        where = (*path, "routes", index)
        if not isinstance(route, Branch):
            continue
        name = text(route, "name")
        if name is not None:
            check_name(name, (*where, "name"), report)
            check_twice(name, "route", seen, (*where, "name"), report)
        check_when(route.get("match"), (*where, "match"), report)
        _check_policy(route, service, where, report)
        _check_rewrite(route, branch(route, "match"), where, report)
        if not has_own and not has_chooser(route):
            report.add(where, "nothing says which version answers", f"give it or the service {_one_of_them()}")
    if not has_own and not routes:
        wrong = f"has {len(versions)} versions and nothing says which one answers"
        report.add(path, wrong, f"give it {_one_of_them()}")


def _one_of_them() -> str:
    return f"one of {', '.join(CHOOSERS)}"


def _check_policy(policy: Branch, service: Branch, path: Path, report: Report) -> None:
    """The keys that services and routes share."""
    check_strategies(Subject(policy, service, path, branch(service, "versions"), report))
    if "headers" in policy:
        check_headers(policy, path, report)
    if "retries" in policy:
        check_minimum(policy["retries"], (*path, "retries"), report, attempts=1, budget_floor=0)
    if "limits" in policy:
        check_minimum(policy["limits"], (*path, "limits"), report, max_connections=0, max_pending=0)
    if "redirect" in policy:
        _check_redirect(branch(policy, "redirect"), (*path, "redirect"), report)


def _check_redirect(redirect: Branch, path: Path, report: Report) -> None:
    if not any(key in redirect for key in ("scheme", "host", "port", "path")):
        report.add(path, "leads nowhere else", "give at least one of scheme, host, port, path")
    host, target, port = text(redirect, "host"), text(redirect, "path"), text(redirect, "port")
    if host is not None and not is_host(host):
        report.add((*path, "host"), f"{host!r} is not a host", "write the name alone; the port is a key of its own")
    if target is not None:
        check_path(target, (*path, "path"), report)
    check_minimum(redirect, path, report, port=1)
    if port is not None and port.isdecimal() and int(port[:20]) > MAX_PORT:
        report.add((*path, "port"), f"{port} is not a port", f"give 1 to {MAX_PORT}")


def _check_rewrite(policy: Branch, match: Branch | None, path: Path, report: Report) -> None:
    rewrite = branch(policy, "rewrite")
    host, prefix = text(rewrite, "host"), text(rewrite, "prefix")
    if host is not None and not is_authority(host, needs_port=False):
        report.add((*path, "rewrite", "host"), f"{host!r} is not a host", "write host or host:port")
    if prefix is None:
        return
    check_path(prefix, (*path, "rewrite", "prefix"), report)
    if match is None or not _has_prefix(match):
        cure = "put it on a route with match: {path: {prefix: …}}"
        report.add((*path, "rewrite", "prefix"), "there is no matched prefix to replace", cure)


def _has_prefix(match: Branch) -> bool:
    """Whether every request that matches has a path that was matched from its beginning."""
    path = branch(match, "path")
    if path:
        return "prefix" in path or "exact" in path
    alternatives = items(match, "any")
    return bool(alternatives) and all(isinstance(each, Branch) and _has_prefix(each) for each in alternatives)
