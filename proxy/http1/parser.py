"""llhttp judges the grammar of a head; nobody else in Shunt touches httptools.

A parser is made per head: it costs 0.15 µs, and a fresh one has no state that an earlier message
could have left behind. It sees heads only; `proxy.http1.body` frames what follows them.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade
from httptools import HttpRequestParser as _RequestParser
from httptools import HttpResponseParser as _ResponseParser


class _Silent:
    """No callbacks: llhttp validates, and the bytes are read where they lie."""

    on_message_begin = on_url = on_status = on_header = on_headers_complete = None
    on_body = on_message_complete = on_chunk_header = on_chunk_complete = None


_SILENT = _Silent()


class Malformed(Exception):
    """llhttp refused the head; the text says why."""


def check_request(head: bytes, method_length: int) -> None:
    """Raise Malformed unless `head` is a request head by RFC 9112; its method is `method_length` bytes long."""
    try:
        _RequestParser(_SILENT).feed_data(head)
    except HttpParserUpgrade:
        return
    except HttpParserError:
        # llhttp knows a fixed set of methods; any token is one (RFC 9110 §9.1), so judge the rest with a known one.
        _check_with_known_method(b"POST" + head[method_length:])


def _check_with_known_method(head: bytes) -> None:
    try:
        _RequestParser(_SILENT).feed_data(head)
    except HttpParserUpgrade:
        return
    except HttpParserError as refused:
        raise Malformed(str(refused)) from None


def check_response(head: bytes) -> None:
    """Raise Malformed unless `head` is a response head by RFC 9112."""
    try:
        _ResponseParser(_SILENT).feed_data(head)
    except HttpParserUpgrade:
        return
    except HttpParserError as refused:
        raise Malformed(str(refused)) from None
