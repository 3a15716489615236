"""What does a WebSocket message of 64 bytes cost, there and back?

Bar: at most 1.5 times nginx.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import uvloop

from bench import peers, report
from bench.figures import median, ratio, shown
from bench.processes import LOOPBACK, Child, Failed, free_port
from bench.questions import Answer
from bench.rounds import Options, interleaved
from bench.stage import Running, Stage

_ORIGIN = Path(peers.__file__).with_name("websocket_origin.py")
_FRAME = b"\x82\xc0\x00\x00\x00\x00" + b"m" * 64  # final, binary, 64 bytes under a mask of zeros (RFC 6455 §5.2)
_HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: bench.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2h1bnQtYmVuY2gtMTIzNA==\r\n\r\n"
)


class _Client(asyncio.Protocol):
    """One connection that sends its next message when the last one is back."""

    def __init__(self) -> None:
        self.echoed = 0
        self.is_open = False
        self.failed = ""
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(_HANDSHAKE)

    def data_received(self, received: bytes) -> None:
        self._waiting += received
        if not self.is_open:
            if not self._waiting.endswith(b"\r\n\r\n"):
                return
            if not self._waiting.startswith(b"HTTP/1.1 101"):
                self.failed = f"no handshake: {self._waiting[:60]!r}"
            self.is_open = True
        elif len(self._waiting) < len(_FRAME):
            return
        else:
            self.echoed += 1
        self._waiting = b""
        self.transport.write(_FRAME)

    def connection_lost(self, error: Exception | None) -> None:
        self.failed = self.failed or "closed"


def ask(on: Stage, options: Options) -> Answer:
    """Peers that tunnel, in front of an echo; all connections keep one message on its way."""
    port = free_port()
    command = [sys.executable, str(_ORIGIN), str(port)]
    with Child.start("websocket-origin", command, on.folder, cores=on.cores.others) as origin:
        origin.wait_until_answers(port)
        echoing = replace(on, stable=port, candidate=port)
        roster = [peers.shunt(), peers.nginx(), peers.haproxy(), peers.envoy()]
        running = [echoing.start(peer) for peer in options.chosen(roster) if peer.find()]
        rounds = interleaved(running, options.rounds, lambda one: _measured(one, options))
    middle = {name: [median(column) for column in zip(*of, strict=True)] for name, of in rounds.items()}
    base = middle.get("nginx", [float("nan")])[0]
    rows = [
        (name, shown(cpu_us), shown(ratio(cpu_us, base), 2), shown(per_second, 0))
        for name, (cpu_us, per_second) in middle.items()
    ]
    return Answer(("proxy", "CPU µs", "x nginx", "messages/s"), rows, {"rounds": rounds})


def _measured(one: Running, options: Options) -> tuple[float, float]:
    before = one.child.cpu_seconds()
    began = time.perf_counter()
    echoed = uvloop.run(_echo(one.port, options))
    cpu_us = (one.child.cpu_seconds() - before) / echoed * 1e6
    report.progress(f"{one.name}: {cpu_us:.1f} µs of CPU per message")
    return cpu_us, echoed / (time.perf_counter() - began)


async def _echo(port: int, options: Options) -> int:
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(options.connections):
        _, client = await loop.create_connection(_Client, LOOPBACK, port)
        clients.append(client)
    await asyncio.sleep(options.seconds)
    failures = [client.failed for client in clients if client.failed]
    for client in clients:
        client.transport.abort()
    if failures or not sum(client.echoed for client in clients):
        raise Failed(f"{len(failures)} of {len(clients)} WebSockets failed: {failures[:1]}")
    return sum(client.echoed for client in clients)
