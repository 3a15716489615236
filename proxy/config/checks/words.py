"""Words: what may stand in HTTP's lines, in addresses and in names."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from proxy.config.faults import Path
from proxy.config.tree import Node, Report, text, texts

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5: all but the tab
_NAME = re.compile(r"[\w.+~:-]{1,253}")
_VERSION = re.compile(r"[A-Za-z0-9._+~-]{1,253}")
_LABELS = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?)*")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^\[\]:]*)(:(?P<port>\d{1,5}))?")

MAX_PORT = 65535


def is_token(word: str) -> bool:
    """Whether it may be a method or the name of a header."""
    return _TOKEN.fullmatch(word) is not None


def has_control(value: str) -> bool:
    """Whether it has characters that may not stand in a header's value."""
    return _CONTROL.search(value) is not None


def is_host(host: str) -> bool:
    """Whether it is a host name, an IPv4 address or an IPv6 address in brackets."""
    if host.startswith("[") and host.endswith("]"):
        return is_ipv6(host[1:-1])
    return _LABELS.fullmatch(host) is not None


def is_ipv6(address: str) -> bool:
    """Whether it is an IPv6 address, without brackets."""
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return True


def is_authority(words: str, *, needs_port: bool) -> bool:
    """Whether it is `host:port` or, where no port is needed, `host`."""
    found = _AUTHORITY.fullmatch(words)
    if found is None or not is_host(found["host"]):
        return False
    return int(found["port"]) <= MAX_PORT if found["port"] else not needs_port


def check_name(name: str, path: Path, report: Report, *, is_version: bool = False) -> None:
    """Names stand in addresses of verbs (`shop/api`, `shop/blue@target`) and in metrics; versions also in headers."""
    allowed = _VERSION if is_version else _NAME
    if allowed.fullmatch(name) is None:
        letters = "letters, digits and . _ + ~ -" if is_version else "letters, digits and . _ + ~ : -"
        report.add(path, f"{name} is not a name", f"use {letters}")


def check_methods(node: Node, key: str, path: Path, report: Report) -> None:
    """A list of methods."""
    for index, method in texts(node, key):
        if not is_token(method):
            report.add((*path, key, index), f"{method!r} is not a method", "write one such as GET")


def check_path(path_text: str, path: Path, report: Report) -> None:
    """A path as it comes in a request-target, compared byte by byte."""
    if not path_text.startswith("/"):
        report.add(path, f"{path_text!r} does not begin with /", f"write /{path_text.lstrip('/')}")
    elif "?" in path_text or "#" in path_text:
        report.add(path, f"{path_text!r} has more than a path", "paths end before ?; ask for parameters under query")
    elif not path_text.isascii() or not path_text.isprintable() or " " in path_text:
        report.add(path, f"{path_text!r} never comes like this", "write it percent-encoded, as clients send it")


def check_minimum(node: Node, path: Path, report: Report, **least: int) -> None:
    """Whole numbers that may not be below the given ones; what is no number is reported elsewhere."""
    for key, minimum in least.items():
        number = text(node, key)
        try:
            is_below = number is not None and int(number[:_LONGEST_NUMBER]) < minimum
        except ValueError:
            continue
        if is_below:
            report.add((*path, key), f"{number} is below {minimum}", f"give {minimum} or more")


_LONGEST_NUMBER = 20
