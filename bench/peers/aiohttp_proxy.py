"""The proxy one writes in an afternoon: an aiohttp server, an aiohttp client, uvloop, and the same 90/10 split."""

from __future__ import annotations

import sys
import uuid
import zlib

import aiohttp
import uvloop
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = frozenset(("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host"))
_CLIENT = web.AppKey("client", aiohttp.ClientSession)


def application(stable: str, candidate: str) -> web.Application:
    """The proxy in front of these two addresses."""

    async def with_client(app: web.Application):  # type: ignore[no-untyped-def]
        connector = aiohttp.TCPConnector(limit=1024, keepalive_timeout=75)
        timeout = aiohttp.ClientTimeout(connect=1, sock_read=30)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, skip_auto_headers=("User-Agent",)
        ) as client:
            app[_CLIENT] = client
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        identity = request.cookies.get("session") or request.headers.get("x-user-id") or ""
        chosen = candidate if zlib.crc32(identity.encode()) % 100 < 10 else stable
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers["Host"] = request.host
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Proto"] = request.scheme
        headers["X-Forwarded-Host"] = request.host
        headers["Via"] = "1.1 aiohttp"
        headers["X-Request-Id"] = uuid.uuid4().hex
        body = await request.read() if request.can_read_body else None
        async with request.app[_CLIENT].request(
            request.method,
            URL(chosen + request.raw_path, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    app = web.Application()
    app.cleanup_ctx.append(with_client)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


def main(listen: str, stable: str, candidate: str) -> None:
    """Serve on one port of the loopback until told to end."""
    uvloop.install()
    app = application(f"http://127.0.0.1:{stable}", f"http://127.0.0.1:{candidate}")
    web.run_app(app, host="127.0.0.1", port=int(listen), access_log=None, print=None, backlog=4096)


if __name__ == "__main__":
    main(*sys.argv[1:])
