"""Load of our own where wrk cannot count: exactly so many requests, or so many per second and not one more."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import struct
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterator, Sequence
from itertools import cycle
from typing import NamedTuple, cast

import uvloop

from bench.processes import LOOPBACK, Failed

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWERED_BY = re.compile(rb"\r\nx-answered-by: *(\d+)", re.IGNORECASE)
_SLACK_SECONDS = 20.0


class Answers(NamedTuple):
    """What came back: latencies in seconds, answers by the origin's port, and how many were not 200."""

    latencies: list[float]
    by_port: Counter[int]
    errors: int


class _Connection(asyncio.Protocol):
    """One kept connection with at most one request on its way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._received = b""
        self._since = 0.0
        self._is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._load.on_idle(self)

    def send(self, request: bytes, since: float) -> None:
        self._since = since
        self._is_busy = True
        self._transport.write(request)

    def data_received(self, received: bytes) -> None:
        self._received = received = self._received + received if self._received else received
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(received, 0, head_end + 2)
        if length is None:
            self._load.fail("an answer without Content-Length")
        elif len(received) >= head_end + 4 + int(length[1]):
            self._received = b""
            self._is_busy = False
            self._load.on_answer(self, received[: head_end + 2], self._since)

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_busy:
            self._load.fail("a connection was closed on a request")

    def close(self) -> None:
        self._transport.abort()


class _Load:
    """The requests that are still to be sent, the connections, and what came back."""

    def __init__(self, requests: Sequence[bytes], count: int, *, is_paced: bool) -> None:
        self._requests = cycle(requests)
        self._unanswered = count
        self._unsent = count
        self._is_paced = is_paced
        self._idle: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.by_port: Counter[int] = Counter()
        self.errors = 0

    def due(self, since: float) -> None:
        """A request should go out now: it does, or waits for a connection with its clock running."""
        if self._unsent:
            self._unsent -= 1
            self._due.append(since)
            self._send()

    def on_idle(self, connection: _Connection) -> None:
        self._idle.append(connection)
        if not self._is_paced:
            self.due(time.perf_counter())
        self._send()

    def on_answer(self, connection: _Connection, head: bytes, since: float) -> None:
        self.latencies.append(time.perf_counter() - since)
        if not head.startswith(b"HTTP/1.1 200"):
            self.errors += 1
        if answered_by := _ANSWERED_BY.search(head):
            self.by_port[int(answered_by[1])] += 1
        self._unanswered -= 1
        if not self._unanswered and not self.ended.done():
            self.ended.set_result(None)
        self.on_idle(connection)

    def fail(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(Failed(why))

    def _send(self) -> None:
        while self._due and self._idle:
            self._idle.popleft().send(next(self._requests), self._due.popleft())


def exactly(port: int, requests: Sequence[bytes], count: int, connections: int = 64, seconds: float = 120.0) -> Answers:
    """Send exactly `count` requests over kept connections, the next one of each as soon as the last is answered."""
    return uvloop.run(_bounded(_exactly(port, requests, count, connections), seconds))


def at_rate(port: int, requests: Sequence[bytes], per_second: float, seconds: float, connections: int = 64) -> Answers:
    """Send `per_second` requests whatever the answers do; latencies count from when each should have gone out."""
    return uvloop.run(_bounded(_at_rate(port, requests, per_second, seconds, connections), seconds + _SLACK_SECONDS))


async def _bounded(load: Coroutine[None, None, Answers], seconds: float) -> Answers:
    try:
        async with asyncio.timeout(seconds):
            return await load
    except TimeoutError:
        raise Failed(f"the load did not end within {seconds:g} s") from None


async def _exactly(port: int, requests: Sequence[bytes], count: int, connections: int) -> Answers:
    load = _Load(requests, count, is_paced=False)
    return await _carry_out(load, port, min(connections, count))


async def _at_rate(
    port: int, requests: Sequence[bytes], per_second: float, seconds: float, connections: int
) -> Answers:
    load = _Load(requests, int(per_second * seconds), is_paced=True)
    with _Pulse(per_second) as pulse:

        def beat() -> None:
            for since in pulse.beats():
                load.due(since)

        asyncio.get_running_loop().add_reader(pulse.fileno, beat)
        try:
            return await _carry_out(load, port, connections)
        finally:
            asyncio.get_running_loop().remove_reader(pulse.fileno)


async def _carry_out(load: _Load, port: int, connections: int) -> Answers:
    loop = asyncio.get_running_loop()
    opened: list[_Connection] = []
    try:
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: _Connection(load), LOOPBACK, port)
            opened.append(connection)
        await load.ended
    finally:
        for connection in opened:
            connection.close()
    return Answers(load.latencies, load.by_port, load.errors)


class _Pulse:
    """A kernel timer that beats evenly: timers of an event loop are only good to a millisecond."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._beat = 0
        self._start = 0.0
        self.fileno = -1

    def __enter__(self) -> _Pulse:
        self.fileno = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
        if self.fileno < 0:
            raise Failed("this kernel has no timerfd")
        whole, nanoseconds = divmod(int(self._interval * 1e9), 10**9)
        self._start = time.perf_counter()
        self._libc.timerfd_settime(self.fileno, 0, struct.pack("qqqq", whole, nanoseconds, whole, nanoseconds), None)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fileno)

    def beats(self) -> Iterator[float]:
        """When each of the beats since the last call should have been."""
        (count,) = struct.unpack("Q", os.read(self.fileno, 8))
        for _ in range(count):
            self._beat += 1
            yield self._start + self._beat * self._interval
