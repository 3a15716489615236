"""A response's head: a target's answer is held to RFC 9112 before anybody else sees it."""

from __future__ import annotations

import re
from functools import lru_cache

from proxy.errors import BadAnswer
from proxy.http1.body import CHUNKED, UNTIL_CLOSE
from proxy.http1.parser import Malformed, check_response

_SPECIAL = re.compile(
    rb"\n(con(?:tent-length|nection)|t(?:ransfer-encoding|e)|keep-alive|proxy-(?:connection|authenticate)|upgrade"
    rb"|x-shunt-(?:error|version)):[ \t]*([^\r]*)"
)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_BEGINNING = b"HTTP/1."
_BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\x00")
_LONGEST_BODY = (1 << 63) - 1
_NOT_REMOVABLE = frozenset((b"content-length", b"transfer-encoding", b"set-cookie", b"via"))


class ResponseHead:
    """What framing and forwarding need to know of a response's head."""

    __slots__ = ("cuts", "fields_at", "head", "is_http11", "keep_alive", "length", "status", "upgrade")

    def __init__(self, head: bytes, status: int, fields_at: int, *, is_http11: bool) -> None:
        self.head = head
        self.status = status
        self.fields_at = fields_at
        self.is_http11 = is_http11
        self.keep_alive = is_http11
        self.length = UNTIL_CLOSE
        """The body's length in bytes, CHUNKED, or UNTIL_CLOSE (RFC 9112 §6.3)."""
        self.upgrade = b""
        self.cuts: list[tuple[int, int]] = []


def parse_response(head: bytes, *, to_head: bool = False) -> ResponseHead:
    """Read one complete head (status-line to empty line); `to_head`: it answers a HEAD. Raises BadAnswer."""
    line, _, _ = head.partition(b"\r\n")
    line_end = len(line)
    status, is_http11 = _status_line(line)
    try:
        check_response(head)
    except Malformed:
        raise BadAnswer("the target's answer is malformed") from None
    response = ResponseHead(head, status, line_end + 2, is_http11=is_http11)
    lowered = head.lower()
    found = _SPECIAL.search(lowered, line_end)
    while found is not None:
        name, value = found.groups()
        end = found.end()
        if name == b"content-length":
            _content_length(response, value)
        # RFC 9110 §8.6: 1xx and 204 must not have a length.
        if name != b"content-length" or status < 200 or status == 204:
            response.cuts.append((found.start() + 1, end + 2))
            if name == b"connection":
                _connection(response, value, lowered)
            elif name == b"transfer-encoding":
                _transfer_encoding(response, value.rstrip(b" \t"))
            elif name == b"upgrade":
                response.upgrade = value.rstrip(b" \t")
        found = _SPECIAL.search(lowered, end)
    if to_head or status < 200 or status == 204 or status == 304:
        response.length = 0  # RFC 9112 §6.3: never a body, whatever the fields say
    return response


@lru_cache(maxsize=128)
def _status_line(line: bytes) -> tuple[int, bool]:
    """The status, and whether it is HTTP/1.1; there are few different lines."""
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise BadAnswer("the target's status line is malformed")
    return int(found[2]), found[1] == b"1"


def check_beginning(received: bytes) -> None:
    """Refuse a head that is not complete yet as soon as it can become none; raises BadAnswer."""
    if not received.startswith(_BEGINNING[: len(received)]) or _BARE.search(received):
        raise BadAnswer("the target's answer is malformed")


def _content_length(response: ResponseHead, value: bytes) -> None:
    response.length = int(value)
    if response.length > _LONGEST_BODY:
        raise BadAnswer("the target's answer has too large a length")


def _connection(response: ResponseHead, value: bytes, lowered: bytes) -> None:
    if value == b"keep-alive":
        response.keep_alive = True
        return
    for option in value.split(b","):
        option = option.strip(b" \t")
        if option == b"close":
            response.keep_alive = False
        elif option == b"keep-alive":
            response.keep_alive = True
        elif option not in (b"", b"upgrade") and option not in _NOT_REMOVABLE:
            start = lowered.find(b"\n" + option + b":")
            while start >= 0:
                end = lowered.find(b"\n", start + 1)
                response.cuts.append((start + 1, end + 1))
                start = lowered.find(b"\n" + option + b":", end)


def _transfer_encoding(response: ResponseHead, value: bytes) -> None:
    """Only `chunked`, once, and only in HTTP/1.1 (RFC 9112 §6.1)."""
    if value != b"chunked" or not response.is_http11 or response.length != UNTIL_CLOSE:
        raise BadAnswer("the target's transfer coding is not 'chunked'")
    response.length = CHUNKED
