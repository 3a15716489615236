"""Settings that can be obeyed: addresses that can be listened on, bounds above nothing."""

from __future__ import annotations

from proxy.config.checks.words import check_minimum, is_authority, is_token
from proxy.config.faults import Path
from proxy.config.tree import Branch, Items, Report, branch, text, texts
from proxy.errors import Invalid
from proxy.units import seconds
from proxy.values import network

_ADDRESS = "write host:port, [v6]:port or unix:/path"
_MAY_BE_OFF = ("ofrep",)
_LONGEST_UNIX = 107
"""Bytes that a socket's path may have on Linux (unix(7))."""


def check_settings(root: Branch, report: Report) -> None:
    """All that the types of the settings do not say."""
    if root.get("listen") == Items():
        report.add(("listen",), "is an empty list", _ADDRESS)
    seen: set[str] = set()
    for index, address in texts(root, "listen"):
        check_address(address, ("listen", index), report)
        if address in seen and not address.endswith(":0"):
            report.add(("listen", index), f"{address} stands there twice", "keep one of them")
        seen.add(address)
    for key in ("admin", "telemetry", "ofrep"):
        written = text(root, key)
        if written is not None and (written or key not in _MAY_BE_OFF):
            check_address(written, (key,), report)
    for index, written in texts(root, "trusted_proxies"):
        _check_network(written, ("trusted_proxies", index), report)
    name = text(root, "name")
    if name and not is_token(name):
        report.add(("name",), f"{name!r} is not a pseudonym for Via", "use letters, digits and -")
    _check_numbers(root, report)
    _check_dns(branch(root, "dns"), report)


def check_address(address: str, path: Path, report: Report) -> None:
    """An address to listen on or to connect to."""
    if address.startswith("unix:"):
        socket = address.removeprefix("unix:")
        if not socket.startswith("/") or socket.startswith("//") or "\0" in socket:
            report.add(path, f"{address} is not an address", _ADDRESS)
        elif len(socket.encode(errors="replace")) > _LONGEST_UNIX:
            report.add(path, f"{address} is longer than {_LONGEST_UNIX} bytes", "choose a shorter path")
    elif not is_authority(address, needs_port=True):
        report.add(path, f"{address!r} is not an address", _ADDRESS)


def _check_network(written: str, path: Path, report: Report) -> None:
    try:
        network(written)
    except Invalid as fault:
        report.add(path, str(fault), "write an address or a network")


def _check_numbers(root: Branch, report: Report) -> None:
    check_minimum(root, (), report, workers=1, max_hops=1)
    check_minimum(
        branch(root, "limits"),
        ("limits",),
        report,
        connections=0,
        in_flight=0,
        requests_per_connection=0,
        head_bytes=1024,
        head_fields=1,
        target_bytes=256,
        response_head_bytes=1024,
    )


def _check_dns(dns: Branch, report: Report) -> None:
    server = text(dns, "server")
    if server and not is_authority(server, needs_port=True):
        report.add(("dns", "server"), f"{server!r} is not an address", "write host:port, such as 10.96.0.10:53")
    try:
        shortest, longest = seconds(text(dns, "min") or "1"), seconds(text(dns, "max") or "30")
    except ValueError:
        return
    if shortest > longest:
        key = "max" if "max" in dns else "min"
        report.add(("dns", key), f"dns.max, {longest:g} s, is below dns.min, {shortest:g} s", "let max be the longer")
