"""The heads that go out: the bytes as they came, less what ends here, plus what a gateway must say."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from proxy.http1.body import CHUNKED
from proxy.http1.request import RequestHead
from proxy.http1.response import ResponseHead

Networks = Sequence[IPv4Network | IPv6Network]


def without(head: bytes, start: int, cuts: list[tuple[int, int]]) -> bytes:
    """The field lines of `head` from `start`, less the cuts and the empty line at the end."""
    if not cuts:
        return head[start:-2]
    if len(cuts) == 1:
        (cut, end) = cuts[0]
        return head[start:cut] + head[end:-2]
    pieces = []
    for cut, end in sorted(cuts):
        if cut > start:
            pieces.append(head[start:cut])
        start = max(start, end)
    pieces.append(head[start:-2])
    return b"".join(pieces)


def request_head(request: RequestHead, about_client: bytes, ids: bytes, *, target: bytes | None = None) -> bytes:
    """The head for the target, less its final CRLF, so that edits can follow.

    `about_client` are the X-Forwarded-* and Via lines, `ids` the x-request-id and traceparent lines that were missing.
    """
    if target is None and not request.cuts and not request.is_http10:
        return b"".join((request.head[:-2], about_client, ids))
    parts = [
        request.method,
        b" ",
        request.target if target is None else target,
        b" HTTP/1.1\r\n",
        without(request.head, request.fields_at, request.cuts),
        about_client,
        ids,
    ]
    if not request.has_host_line or request.is_http10:
        parts.insert(4, _host_line(request))
    if request.length == CHUNKED:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    if request.upgrade and is_forwarded_upgrade(request):
        parts.append(b"Connection: Upgrade\r\nUpgrade: " + request.upgrade + b"\r\n")
    elif request.te_trailers:
        parts.append(b"Connection: TE\r\nTE: trailers\r\n")
    return b"".join(parts)


def _host_line(request: RequestHead) -> bytes:
    """HTTP/1.1 needs a Host, even an empty one (RFC 9112 §3.2)."""
    if request.has_host_line and b"\nhost:" in request.lowered:
        return b""
    return b"Host: " + request.wire_host + b"\r\n"


def is_forwarded_upgrade(request: RequestHead) -> bool:
    """Whether an upgrade is offered to the target: never h2c, which would tunnel past every rule (RFC 9110 §7.8)."""
    protocols = [name.strip(b" \t").lower() for name in request.upgrade.split(b",")]
    return not request.is_http10 and not any(name.startswith((b"h2c", b"http/", b"tls/")) for name in protocols)


def about_client(request: RequestHead, peer: bytes, scheme: bytes, via: bytes) -> bytes:
    """The X-Forwarded-* and Via lines; a trusted peer's words are continued, not replaced."""
    told = request.forwarded
    if not told:
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nVia: %b\r\n" % (
            peer,
            scheme,
            request.wire_host,
            via,
        )
    before = told.get(b"x-forwarded-for")
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nVia: %b\r\n" % (
        peer if before is None else before + b", " + peer,
        told.get(b"x-forwarded-proto", scheme),
        told.get(b"x-forwarded-host", request.wire_host),
        via,
    )


def client_address(peer: str, forwarded_for: bytes, trusted: Networks) -> str:
    """The client's address: the last one in X-Forwarded-For that is no trusted proxy's, else the first."""
    client = peer
    for hop in reversed(forwarded_for.decode("latin-1").split(",")):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            break
        client = str(address)
        if not any(address in network for network in trusted):
            break
    return client


def response_head(response: ResponseHead, extra: bytes) -> bytes:
    """The head for the client, with `extra` lines and the final CRLF; always HTTP/1.1 (RFC 9110 §2.5)."""
    head, cuts = response.head, response.cuts
    if response.is_http11 and head[12] != 13 and len(cuts) == 1:
        ((cut, end),) = cuts
        return b"".join((head[:cut], head[end:-2], extra, b"\r\n"))
    if head[12] == 13:  # RFC 9112 §4: the space behind the code is not optional
        return b"HTTP/1.1%b \r\n%b%b\r\n" % (head[8:12], without(head, response.fields_at, cuts), extra)
    if not response.is_http11:
        return b"HTTP/1.1%b%b\r\n" % (without(head, 8, cuts), extra)
    return b"%b%b\r\n" % (without(head, 0, cuts), extra) if cuts or extra else head
