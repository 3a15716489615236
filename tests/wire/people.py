"""People at both ends of the wire: a client that notes what it hears, a target that follows a script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.wire.messages import CRLF, Message, answers_in, requests_in
from tests.wire.network import End


class Client(asyncio.Protocol):
    """Says what it is told to say, and notes what it hears and how that ends: open, closed or reset."""

    def __init__(self) -> None:
        self.heard = b""
        self.ending = "open"
        self.transport: End

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        self.ending = "closed"
        return True

    def connection_lost(self, why: Exception | None) -> None:
        self.ending = "closed" if why is None else "reset"

    def answers(self, *methods: bytes) -> list[Message]:
        """What it heard, by message."""
        return answers_in(self.heard, *methods)


@dataclass(frozen=True)
class Say:
    """A target's answer: when (`request`, `head` or `connect`), what, what comes `behind` in a read of its own, and
    what follows: keep, eof, close or reset."""

    wire: bytes
    when: str = "request"
    then: str = "keep"
    behind: bytes = b""


@dataclass
class Script:
    """The answers of one target to one request after the other, whatever the connection; and what it heard."""

    answers: list[Say] = field(default_factory=list)
    connections: list[Target] = field(default_factory=list)
    pauses: bool = False
    """Whether it reads nothing until told."""

    @property
    def heard(self) -> list[Message]:
        return [message for connection in self.connections for message in requests_in(connection.heard)]

    def __call__(self) -> Target:
        self.connections.append(Target(self))
        return self.connections[-1]


class Target(asyncio.Protocol):
    """One connection of a scripted target."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.heard = b""
        self.ending = "open"
        self._answered = 0
        self._is_tunnel = False
        self.transport: End

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self._script.pauses:
            self.transport.pause_reading()
        if self._script.answers and self._script.answers[0].when == "connect":
            self._answer()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if self._is_tunnel:
            self.transport.write(b"<" + data + b">")
            return
        while self._script.answers and self._is_due(self._script.answers[0]):
            self._answer()

    def _is_due(self, say: Say) -> bool:
        seen = requests_in(self.heard)
        if len(seen) <= self._answered or self.transport.is_closing():
            return False
        asked = seen[self._answered]
        return asked.is_whole or (say.when == "head" and CRLF + CRLF in self.heard)

    def _answer(self) -> None:
        say = self._script.answers.pop(0)
        self._answered += 1
        self.transport.write(say.wire)
        self._is_tunnel = say.wire.startswith(b"HTTP/1.1 101")
        if say.behind:
            asyncio.get_running_loop().call_later(0.001, self.transport.write, say.behind)
        if say.then == "eof":
            self.transport.write_eof()
        elif say.then == "close":
            self.transport.close()
        elif say.then == "reset":
            asyncio.get_running_loop().call_later(0.01, self.transport.reset)

    def eof_received(self) -> bool:
        self.ending = "closed"
        return self._is_tunnel

    def connection_lost(self, why: Exception | None) -> None:
        self.ending = "closed" if why is None else "reset"
