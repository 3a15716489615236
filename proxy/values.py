"""Values: what a condition compares, each read the way its sender meant it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import re2

from proxy.errors import Invalid
from proxy.model import Request


def path_prefix(prefix: str) -> bytes:
    """A path prefix as it is compared, by whole segments: without trailing `/`, so `/` is empty and means all."""
    return prefix.rstrip("/").encode()


def pattern(regex: str) -> Callable[[bytes], bool]:
    """Whether a whole value matches the RE2 pattern, in linear time; Invalid if the pattern has a fault."""
    options = re2.Options()
    # Values are bytes, and not always UTF-8: byte by byte `.` matches whatever a client sends.
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.log_errors = False
    try:
        fullmatch = re2.compile(regex.encode(), options).fullmatch
    except re2.error as fault:
        said = fault.args[0] if fault.args else fault
        raise Invalid(
            f"{regex!r} is not a regular expression of RE2: {said.decode() if isinstance(said, bytes) else said}"
        ) from fault
    return lambda value: fullmatch(value) is not None


def query_reader(name: bytes) -> Callable[[Request], bytes | None]:
    """The first value of the parameter as its sender meant it: `%xx` and `+` undone, b"" without `=`."""

    def read(request: Request) -> bytes | None:
        query = request.query
        is_escaped = b"%" in query or b"+" in query
        if not is_escaped and name not in query:
            return None
        for pair in query.split(b"&"):
            key, _, value = pair.partition(b"=")
            if is_escaped:
                key, value = _unescaped(key), _unescaped(value)
            if key == name and pair:
                return value
        return None

    return read


def _unescaped(value: bytes) -> bytes:
    return unquote_to_bytes(value.replace(b"+", b" "))


def network(text: str) -> tuple[int, int, int]:
    """Version, mask and base of `10.0.0.0/8`, `10.0.0.7` or `2001:db8::/32`; Invalid otherwise."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Invalid(f"{text!r} is not a network such as 10.0.0.0/8") from None
    return found.version, int(found.netmask), int(found.network_address)


@lru_cache(maxsize=4096)
def numeric(client: str) -> tuple[int, int]:
    """Version and number of an address, of the IPv4 one in `::ffff:10.0.0.7`; version 0 if it is none."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return 0, 0
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)
