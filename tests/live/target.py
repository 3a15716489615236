"""A target in a process of its own, so that it can be killed, stopped, and told to misbehave.

`python target.py NAME HOST:PORT [MODE]`. Modes: `answer`, `silent`, `503`, `chaos`. It takes the words `GET /_asked`
and `PUT /_mode/MODE`. On SIGTERM it leaves as good servers do: no new connections, what it has begun it ends.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
import struct
import sys
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_LONGEST_SECONDS = 0.3


class Target:
    """What all connections share."""

    def __init__(self, name: str, mode: str) -> None:
        self.answer = name.encode()
        self.mode = mode
        self.asked = 0
        self.is_leaving = False
        self.connections: set[Connection] = set()
        self.left = asyncio.Event()

    def leave(self) -> None:
        """End idle connections now and the others after their answer."""
        self.is_leaving = True
        for connection in list(self.connections):
            connection.end_if_idle()
        if not self.connections:
            self.left.set()


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.received = b""
        self.is_busy = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.target.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.target.connections.discard(self)
        if self.target.is_leaving and not self.target.connections:
            self.target.left.set()

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n") + 4
        if end < 4 or self.is_busy:
            return
        found = _LENGTH.search(self.received, 0, end)
        if len(self.received) < end + (int(found[1]) if found else 0):
            return
        path = self.received.split(b" ", 2)[1].decode()
        self.received = b""
        self.is_busy = True
        self._take(path)

    def end_if_idle(self) -> None:
        if not self.is_busy:
            self.transport.close()

    def _take(self, path: str) -> None:
        target = self.target
        if path == "/_asked":
            self._answer(b"%d" % target.asked)
        elif path.startswith("/_mode/"):
            target.mode = path.removeprefix("/_mode/")
            self._answer(b"")
        else:
            target.asked += 1
            act = {"silent": lambda _: None, "503": self._fail, "chaos": self._misbehave}.get(target.mode, self._serve)
            act(path)

    def _serve(self, path: str) -> None:
        if path.startswith("/sleep/"):
            self._later(float(path.removeprefix("/sleep/")), lambda: self._answer(self.target.answer))
        else:
            self._answer(self.target.answer)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, act)

    def _fail(self, path: str) -> None:
        self._answer(b"busy", status=b"503 Service Unavailable")

    def _answer(self, body: bytes, status: bytes = b"200 OK") -> None:
        self.is_busy = False
        if self.transport.is_closing():
            return
        leaving = b"Connection: close\r\n" if self.target.is_leaving else b""
        self.transport.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), leaving, body))
        if leaving:
            self.transport.close()

    # --- chaos -------------------------------------------------------------------------

    def _misbehave(self, path: str) -> None:
        act = random.choices(
            (self._serve, self._reset, self._late, self._babble, self._stop_in_head, self._stop_in_body, self._fail),
            (80, 4, 6, 3, 3, 2, 2),
        )[0]
        act(path)

    def _reset(self, path: str = "") -> None:
        if self.transport.is_closing():
            return
        opened = self.transport.get_extra_info("socket")
        opened.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _late(self, path: str) -> None:
        self._later(random.random() * _LONGEST_SECONDS, lambda: self._answer(self.target.answer))

    def _babble(self, path: str) -> None:
        self.transport.write(random.randbytes(random.randrange(1, 2000)) + b"\r\n\r\n")
        self.transport.close()

    def _stop_in_head(self, path: str) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        self.transport.close()

    def _stop_in_body(self, path: str) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        self._later(random.random() * _LONGEST_SECONDS, self._reset)


async def main(name: str, address: str, mode: str = "answer") -> None:
    """Serve until SIGTERM; says its port first."""
    loop = asyncio.get_running_loop()
    target = Target(name, mode)
    host, _, port = address.rpartition(":")
    server = await loop.create_server(lambda: Connection(target), host, int(port), backlog=4096)
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await told.wait()
    server.close()
    target.leave()
    await target.left.wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
