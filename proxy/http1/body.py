"""Bodies: where a message ends, by length, by chunks, or by the end of the connection (RFC 9112 §6, §7)."""

from __future__ import annotations

import re
from typing import Protocol

CHUNKED = -1
UNTIL_CLOSE = -2

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?", re.ASCII)
_TRAILER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*")
_CHUNK_LINE_BYTES = 4096
_LARGEST_CHUNK = 1 << 60

# RFC 9110 §6.5.1: fields that frame, route or authenticate a message must not come as trailers.
_FORBIDDEN_TRAILERS = frozenset(
    b"transfer-encoding content-length host connection keep-alive te trailer upgrade proxy-connection expect range "
    b"authorization proxy-authorization proxy-authenticate cookie set-cookie content-encoding content-type "
    b"content-range max-forwards cache-control via forwarded x-request-id traceparent".split()
)


class BadBody(Exception):
    """The framing of a body is broken; the text says how."""


class Body(Protocol):
    """One body being read: bytes go in, payload comes out until `done`."""

    done: bool

    @property
    def trailers(self) -> bytes:
        """The trailer fields that may be passed on, each with its CRLF; complete when `done`."""
        ...

    def feed(self, received: bytes) -> tuple[bytes, bytes]:
        """The payload in `received` and the bytes behind the body's end; raises BadBody."""
        ...


class LengthBody:
    """A body of `remaining` more bytes (RFC 9112 §6.2)."""

    __slots__ = ("done", "remaining")
    trailers = b""

    def __init__(self, length_bytes: int) -> None:
        self.remaining = length_bytes
        self.done = length_bytes == 0

    def feed(self, received: bytes) -> tuple[bytes, bytes]:
        """Up to `remaining` bytes of payload, and what is behind them."""
        size = len(received)
        if size < self.remaining:
            self.remaining -= size
            return received, b""
        if size == self.remaining:
            payload, rest = received, b""
        else:
            payload, rest = received[: self.remaining], received[self.remaining :]
        self.remaining = 0
        self.done = True
        return payload, rest


class UntilCloseBody:
    """A response's body that ends with the connection (RFC 9112 §6.3, last rule)."""

    __slots__ = ("done",)
    trailers = b""

    def __init__(self) -> None:
        self.done = False

    def feed(self, received: bytes) -> tuple[bytes, bytes]:
        """Everything is payload."""
        return received, b""


class ChunkedBody:
    """The chunked coding, strictly: hexadecimal sizes, CRLF only, bounded lines and trailers (RFC 9112 §7.1).

    Chunk extensions are checked and left out, as a recipient that does not know them must (§7.1.1).
    """

    __slots__ = ("_held", "_remaining", "_state", "_trailer_limit", "_trailers", "done")

    def __init__(self, trailer_limit_bytes: int = 8192) -> None:
        self.done = False
        self._state = self._size_line
        self._remaining = 0
        self._held = b""
        self._trailers: list[bytes] = []
        self._trailer_limit = trailer_limit_bytes

    @property
    def trailers(self) -> bytes:
        """The trailer fields that may be passed on, each with its CRLF."""
        return b"".join(self._trailers)

    def feed(self, received: bytes) -> tuple[bytes, bytes]:
        """The payload of all chunks in `received`, and what is behind the last chunk and its trailers."""
        if self._held:
            received = self._held + received
            self._held = b""
        payload: list[bytes] = []
        at = 0
        while not self.done:
            following = self._state(received, at, payload)
            if following < 0:
                self._held = received[at:]
                return b"".join(payload), b""
            at = following
        return b"".join(payload), received[at:]

    def _size_line(self, received: bytes, at: int, payload: list[bytes]) -> int:
        line, following = self._line(received, at, _CHUNK_LINE_BYTES)
        if following < 0:
            return -1
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise BadBody("a chunk's size is not a hexadecimal number")
        self._remaining = int(found[1], 16)
        if self._remaining > _LARGEST_CHUNK:
            raise BadBody("a chunk's size is too large")
        self._state = self._content if self._remaining else self._trailer_line
        return following

    def _content(self, received: bytes, at: int, payload: list[bytes]) -> int:
        end = at + self._remaining
        piece = received[at:end]
        if not piece:
            return -1
        payload.append(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._state = self._content_end
        return at + len(piece)

    def _content_end(self, received: bytes, at: int, payload: list[bytes]) -> int:
        ending = received[at : at + 2]
        if ending == b"\r\n":
            self._state = self._size_line
            return at + 2
        if ending in (b"", b"\r"):
            return -1
        raise BadBody("a chunk is longer than its size")

    def _trailer_line(self, received: bytes, at: int, payload: list[bytes]) -> int:
        line, following = self._line(received, at, self._trailer_limit)
        if following < 0:
            return -1
        if not line:
            self.done = True
            return following
        self._trailer_limit -= len(line) + 2
        found = _TRAILER_LINE.fullmatch(line)
        if found is None:
            raise BadBody("a trailer is not a field line")
        name = found[1].lower().replace(b"_", b"-")
        if name not in _FORBIDDEN_TRAILERS and not name.startswith((b"x-shunt-", b"x-forwarded-")):
            self._trailers.append(line + b"\r\n")
        return following

    @staticmethod
    def _line(received: bytes, at: int, limit_bytes: int) -> tuple[bytes, int]:
        """The line that starts `at` and where the next begins, or -1 when its end has not come yet."""
        end = received.find(b"\n", at, at + limit_bytes + 2)
        if end < 0:
            if len(received) - at > limit_bytes:
                raise BadBody("a line of the chunked coding is too long")
            return b"", -1
        if end == at or received[end - 1] != 13:
            raise BadBody("a line of the chunked coding does not end in CRLF")
        return received[at : end - 1], end + 1


def body_of(length: int, trailer_limit_bytes: int = 8192) -> Body:
    """The reader for a framing: a length in bytes, CHUNKED, or UNTIL_CLOSE."""
    if length >= 0:
        return LengthBody(length)
    if length == CHUNKED:
        return ChunkedBody(trailer_limit_bytes)
    return UntilCloseBody()


def chunk(payload: bytes) -> bytes:
    """One chunk that carries `payload`, which must not be empty."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a chunked body."""
    return b"0\r\n%b\r\n" % trailers
