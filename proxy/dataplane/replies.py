"""Replies: what the proxy answers itself, saying nothing of the inside."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

from proxy.errors import ShuntError
from proxy.http1.request import RequestHead
from proxy.rules import Redirect

_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_RETRY_AFTER_SECONDS = 1


def error_reply(error: ShuntError, request_id: bytes, *, close: bool, without_body: bool = False) -> bytes:
    """A whole response: a line for people, `x-shunt-error` for machines, the request id for both."""
    fields = [b"x-shunt-error: " + error.word.encode()]
    if error.status == 503:
        fields.append(b"Retry-After: %d" % _RETRY_AFTER_SECONDS)
    return _reply(error.status, fields, f"{error}\n".encode(), request_id, close=close, without_body=without_body)


def body_bytes(reply: bytes) -> int:
    """How long the body of one of these replies is."""
    return len(reply) - reply.index(b"\r\n\r\n") - 4


def redirect_reply(request: RequestHead, redirect: Redirect, scheme: str, *, close: bool) -> bytes:
    """A redirect whose Location keeps what the rule does not name (RFC 9110 §10.2.2)."""
    scheme = redirect.scheme or scheme
    host = redirect.host or request.wire_host.decode("latin-1")
    if redirect.port:
        host = f"{host.rpartition(':')[0] if not redirect.host and ':' in host else host}:{redirect.port}"
    target = request.target.decode("latin-1")
    if redirect.path is not None:
        target = redirect.path + ("?" + request.query.decode("latin-1") if request.query else "")
    location = f"{scheme}://{host}{target}".encode("latin-1")
    fields = [b"Location: " + location]
    without_body = request.method == b"HEAD"
    return _reply(redirect.status, fields, b"", request.request_id, close=close, without_body=without_body)


def _reply(
    status: int, fields: list[bytes], text: bytes, request_id: bytes, *, close: bool, without_body: bool
) -> bytes:
    lines = [
        b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b"")),
        b"Date: " + formatdate(usegmt=True).encode(),
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: %d" % len(text),
        *fields,
    ]
    if request_id:
        lines.append(b"x-request-id: " + request_id)
    if close:
        lines.append(b"Connection: close")
    lines += [b"", b"" if without_body else text]
    return b"\r\n".join(lines)
