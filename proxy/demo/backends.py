"""Demo backends: small services that say who they are, one of them flaky, one slow."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import resources

from aiohttp import WSMsgType, web

LOOPBACK = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a version behaves: answers after about so long, and fails so often."""

    delay_seconds: float = 0.004
    failing_share: float = 0.0


MANNERS = {
    ("shop", "v1"): Manner(delay_seconds=0.006),
    ("shop", "v2"): Manner(delay_seconds=0.004),
    ("shop", "next"): Manner(delay_seconds=0.003),
    ("account", "blue"): Manner(),
    ("account", "green"): Manner(),
    ("search", "stable"): Manner(delay_seconds=0.008),
    ("search", "flaky"): Manner(delay_seconds=0.008, failing_share=0.3),
    ("reports", "fast"): Manner(delay_seconds=0.005),
    ("reports", "slow"): Manner(delay_seconds=0.180),
    ("news", "v1"): Manner(),
    ("echo", "v1"): Manner(),
}
"""What there is to route to, by service and version."""
TARGETS = {("news", "v1"): 3}
"""Versions with more than one target."""


class Backend:
    """One target: a web server on loopback that can be stopped and started again on its port."""

    def __init__(self, service: str, version: str, manner: Manner) -> None:
        self.service = service
        self.version = version
        self.port = 0
        self._handler = echo if service == "echo" else answering(service, version, manner)
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """As the rules write it."""
        return f"http://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Listen: on a free port the first time, on the same one after a stop."""
        app = web.Application()
        app.router.add_get("/healthz", healthy)
        if self.service == "echo":
            app.router.add_get("/ws", websocket)
        app.router.add_route("*", "/{path:.*}", self._handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Finish what is in flight and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def answering(service: str, version: str, manner: Manner) -> Handler:
    """A handler that names its version, after the version's manner."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(manner.delay_seconds * random.uniform(0.7, 1.6))
        if random.random() < manner.failing_share:
            return web.Response(status=500, text=f"{service} {version}: something broke\n")
        return web.Response(text=f"{service} {version}\n", headers={"x-version": version})

    return answer


async def healthy(request: web.Request) -> web.StreamResponse:
    """What a health check wants to hear."""
    return web.Response(text="ok\n")


async def echo(request: web.Request) -> web.StreamResponse:
    """The WebSocket page to a browser at `/`, to all others the request as it arrived, in JSON."""
    if request.path == "/" and "text/html" in request.headers.get("Accept", ""):
        page = resources.files("proxy.demo").joinpath("websocket.html").read_text("utf-8")
        return web.Response(text=page, content_type="text/html")
    seen = {
        "method": request.method,
        "path": request.raw_path,
        "headers": [list(field) for field in request.headers.items()],
        "body": (await request.read()).decode("utf-8", "replace"),
    }
    return web.Response(text=json.dumps(seen, indent=2) + "\n", content_type="application/json")


async def websocket(request: web.Request) -> web.StreamResponse:
    """Say every message back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(f"echo: {message.data}")
    return socket


def cast() -> list[Backend]:
    """Every backend of the demo, not yet started."""
    return [
        Backend(service, version, manner)
        for (service, version), manner in MANNERS.items()
        for _ in range(TARGETS.get((service, version), 1))
    ]
