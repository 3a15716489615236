"""Messages: an HTTP/1.1 reader of its own, so that Shunt's framing is not judged by Shunt's framing."""

from __future__ import annotations

from typing import NamedTuple

CRLF = b"\r\n"


def wire(*lines: str | bytes) -> bytes:
    """Lines joined by CRLF; the last one as it is, for a body."""
    return CRLF.join(line.encode("latin-1") if isinstance(line, str) else line for line in lines)


class Message(NamedTuple):
    """One message as somebody saw it, however it was cut into pieces and chunks."""

    head: tuple[bytes, ...]
    body: bytes = b""
    trailers: tuple[bytes, ...] = ()
    is_whole: bool = True

    @property
    def status(self) -> int:
        return int(self.head[0].split(b" ")[1])

    def field(self, name: bytes) -> bytes | None:
        """The values of a field, joined; None if there is none."""
        found = [line.partition(b":")[2].strip() for line in self.head[1:] if line.lower().startswith(name + b":")]
        return b", ".join(found) if found else None


def requests_in(seen: bytes) -> list[Message]:
    """The requests that a target saw; the last may be unfinished."""
    messages = []
    while seen:
        message, seen = _one(seen, is_bodyless=False, ends_with_connection=False)
        messages.append(message)
    return messages


def answers_in(seen: bytes, *methods: bytes) -> list[Message]:
    """The answers that a client saw to requests with these methods, GET for all others; Date is left out."""
    messages, asked = [], list(methods)
    while seen:
        status = int(seen.split(b" ", 2)[1])
        method = b"GET"
        if status >= 200 and asked:
            method = asked.pop(0)
        is_bodyless = method == b"HEAD" or status < 200 or status in (204, 304)
        message, seen = _one(seen, is_bodyless=is_bodyless, ends_with_connection=True)
        head = tuple(line for line in message.head if not line.startswith(b"Date:"))
        messages.append(message._replace(head=head))
        if status == 101:
            messages[-1] = messages[-1]._replace(body=seen)
            break
    return messages


def _one(seen: bytes, *, is_bodyless: bool, ends_with_connection: bool) -> tuple[Message, bytes]:
    head, end, rest = seen.partition(CRLF + CRLF)
    lines = tuple(head.split(CRLF))
    if not end:
        return Message(lines, is_whole=False), b""
    message = Message(lines)
    length, coding = message.field(b"content-length"), message.field(b"transfer-encoding")
    if is_bodyless:
        return message, rest
    if coding is not None:
        assert coding == b"chunked"
        assert length is None
        return _chunked(message, rest)
    if length is not None:
        size = int(length)
        return message._replace(body=rest[:size], is_whole=len(rest) >= size), rest[size:]
    return (message._replace(body=rest), b"") if ends_with_connection else (message, rest)


def _chunked(message: Message, rest: bytes) -> tuple[Message, bytes]:
    body = b""
    while True:
        line, end, rest = rest.partition(CRLF)
        if not end:
            return message._replace(body=body, is_whole=False), b""
        size = int(line, 16)
        if not size:
            break
        body += rest[:size]
        if len(rest) < size + 2:
            return message._replace(body=body, is_whole=False), b""
        assert rest[size : size + 2] == CRLF
        rest = rest[size + 2 :]
    trailers = []
    while True:
        line, end, rest = rest.partition(CRLF)
        if not line:
            return message._replace(body=body, trailers=tuple(trailers), is_whole=bool(end)), rest
        trailers.append(line)
