"""Targets that can be connected to."""

from __future__ import annotations

from urllib.parse import urlsplit

from proxy.config.checks.words import is_host, is_ipv6
from proxy.config.faults import Path
from proxy.config.tree import Branch, Report, texts
from proxy.targets import Address

_CURE = "write http://host:port or unix:///path"
_NOT_YET = {
    "https": "TLS to targets is not supported",
    "k8s": "targets by Kubernetes Service are not supported",
}


def check_targets(version: Branch, path: Path, report: Report) -> None:
    """The targets of a version."""
    seen: dict[Address, str] = {}
    if "targets" in version and not version["targets"]:
        report.add((*path, "targets"), "is an empty list", "name at least one target")
    for index, written in texts(version, "targets"):
        where = (*path, "targets", index)
        scheme = written.partition("://")[0]
        if scheme in _NOT_YET:
            report.add(where, f"{written}: {_NOT_YET[scheme]}", _CURE)
            continue
        try:
            address = Address.parse(written)
            wrong = _wrong(address, written)
        except ValueError as fault:
            wrong = str(fault)
        if wrong:
            report.add(where, wrong, _CURE)
        elif seen.setdefault(address, written) is not written:
            report.add(where, f"{written} stands there twice", "keep one of them")


def _wrong(address: Address, written: str) -> str:
    if not written.isascii() or not written.isprintable() or " " in written:
        return f"{written!r} has characters that no address has"
    if address.unix:
        return ""
    parts = urlsplit(written)
    if parts.fragment or parts.password:
        return f"{written!r} has more than host and port"
    if parts.port == 0:
        return f"{written!r} has port 0"
    return "" if is_host(address.host) or is_ipv6(address.host) else f"{address.host!r} is not a host"
