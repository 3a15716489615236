"""Real sockets: what the network in memory promises about transports holds on uvloop and loopback too."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine

import pytest
import uvloop

from proxy.dataplane.plane import DataPlane
from proxy.rules import Rules, Version
from proxy.settings import Settings
from proxy.table import Table
from proxy.targets import Registry
from tests.wire.messages import answers_in, wire
from tests.wire.stage import OK, Notes, shop

Origin = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BIG = random.Random(2).randbytes(10 << 20)
ASK = wire("GET / HTTP/1.1", "Host: shop", "", "")


class Front:
    """A data plane on a free port of loopback, in front of one origin."""

    def __init__(self) -> None:
        self.faults: list[dict[str, object]] = []
        self.notes = Notes()
        self._closing: list[Callable[[], Awaitable[None]]] = []

    async def start(self, origin: Origin) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(context))
        server = await asyncio.start_server(origin, "127.0.0.1", 0)
        target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        table = Table.compile(Rules(services={"shop": shop(versions={"v1": Version(targets=(target,))})}), Registry())
        plane = DataPlane(Settings(), self.notes, random.Random(1), "shunt-test")
        plane.use(table.plan)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        await plane.serve([listening])

        async def close() -> None:
            await plane.close()
            server.close()
            await server.wait_closed()

        self._closing.append(close)
        port: int = listening.getsockname()[1]
        return port

    async def close(self) -> None:
        for close in self._closing:
            await close()
        assert self.faults == []


def on_uvloop(scene: Callable[[Front], Coroutine[object, object, None]]) -> Callable[[], None]:
    """Play the scene on uvloop; afterwards nothing unexpected has happened."""

    async def whole() -> None:
        front = Front()
        try:
            await scene(front)
        finally:
            await front.close()

    def test() -> None:
        uvloop.run(whole())

    return test


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def _ask(port: int, says: bytes) -> bytes:
    """Everything that a client hears until the connection ends; ConnectionResetError if it is reset."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(says)
        try:
            return await reader.read(-1)
        finally:
            writer.close()


@on_uvloop
async def test_ten_megabytes_go_up_and_come_down_intact(front: Front) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        body = await reader.readexactly(len(BIG))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    port = await front.start(echo)
    says = b"POST / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BIG) + BIG
    [answer] = answers_in(await _ask(port, says))
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(BIG).digest()


@on_uvloop
async def test_an_answer_cut_short_ends_in_a_reset_where_its_end_would_look_complete(front: Front) -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        writer.close()

    port = await front.start(origin)
    [answer] = answers_in(await _ask(port, ASK))
    assert not answer.is_whole

    async def chunked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n")
        writer.close()

    port = await front.start(chunked)
    with pytest.raises(ConnectionResetError):
        await _ask(port, b"GET / HTTP/1.0\r\n\r\n")


@on_uvloop
async def test_half_closed_clients_get_their_pipelined_answers(front: Front) -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                await _head(reader)
            except asyncio.IncompleteReadError:
                break
            writer.write(OK)
        writer.close()

    port = await front.start(origin)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK * 3)
        writer.write_eof()
        assert [answer.body for answer in answers_in(await reader.read(-1))] == [b"ok"] * 3
        writer.close()


@on_uvloop
async def test_a_tunnel_relays_both_ways_and_half_closes(front: Front) -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(wire("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: echo", "", "hi "))
        writer.write(await reader.read(-1))
        writer.close()

    port = await front.start(origin)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wire("GET / HTTP/1.1", "Host: shop", "Connection: Upgrade", "Upgrade: echo", "", "early"))
        writer.write_eof()
        heard = await reader.read(-1)
        writer.close()
    assert heard.endswith(b"\r\n\r\nhi early")


@on_uvloop
async def test_clients_that_reset_at_any_moment_are_everyday_events(front: Front) -> None:
    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                await _head(reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + BIG[:3_000_000])
                await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                break
        writer.close()

    port = await front.start(origin)
    loop = asyncio.get_running_loop()
    for round_number in range(30):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        await loop.sock_sendall(client, ASK[: 5 + round_number * 3])
        if round_number > 10:
            await loop.sock_recv(client, round_number * 1000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK)
        assert (await _head(reader)).startswith(b"HTTP/1.1 200 OK")
        writer.close()
