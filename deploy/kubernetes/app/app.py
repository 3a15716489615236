"""An application with something to lose: sessions, uploads, WebSockets; it says which version it is."""

from __future__ import annotations

import asyncio
import os
import random
import secrets

from aiohttp import WSMsgType, web

VERSION = os.environ.get("APP_VERSION", "v1")
FAIL_PERCENT = float(os.environ.get("APP_FAIL_PERCENT", "0"))
DELAY_SECONDS = float(os.environ.get("APP_DELAY_SECONDS", "0.005"))
SESSION = "session"


@web.middleware
async def name_version(request: web.Request, handler: web.RequestHandler) -> web.StreamResponse:
    """Take a while, fail as often as told, and say who answered."""
    if request.path != "/healthz":
        await asyncio.sleep(DELAY_SECONDS * random.uniform(0.5, 1.5))
        if random.random() * 100 < FAIL_PERCENT:
            return web.Response(status=500, text="something broke\n", headers={"x-version": VERSION})
    response = await handler(request)
    if not response.prepared:
        response.headers["x-version"] = VERSION
    return response


async def healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def page(request: web.Request) -> web.Response:
    """A page; whoever has no session gets one."""
    response = web.Response(text=f"{VERSION} {request.path}\n")
    if SESSION not in request.cookies:
        response.set_cookie(SESSION, secrets.token_hex(16), httponly=True, samesite="Lax")
    return response


async def upload(request: web.Request) -> web.Response:
    """Read the whole body and say how long it was."""
    length = 0
    async for chunk in request.content.iter_chunked(65536):
        length += len(chunk)
    return web.json_response({"bytes": length, "version": VERSION})


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Say every message back, with the version in front."""
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(f"{VERSION}: {message.data}")
    return socket


def application() -> web.Application:
    app = web.Application(middlewares=[name_version], client_max_size=64 << 20)
    app.router.add_get("/healthz", healthy)
    app.router.add_post("/upload", upload)
    app.router.add_get("/ws", websocket)
    app.router.add_get("/{path:.*}", page)
    return app


if __name__ == "__main__":
    host, port = os.environ.get("APP_HOST", "0.0.0.0"), int(os.environ.get("APP_PORT", "3000"))
    # After SIGTERM it goes on for a while with what it has begun: nobody may notice that it leaves.
    web.run_app(application(), host=host, port=port, print=None, shutdown_timeout=20.0)
