"""What probes and Prometheus may see: metrics, liveness, readiness, and no control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from proxy.control.addresses import Place, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether traffic should come here, why not, and what is worth knowing though it does not matter for that."""

    is_ready: bool
    reasons: Sequence[str] = ()
    """Why not, one for each cause; empty when ready."""
    remarks: Sequence[str] = ()
    """Such as the faults of a rules file whose last good version is in force."""


class Telemetry:
    """`/metrics`, `/livez`, `/readyz[?verbose]` on a listener of their own."""

    def __init__(self, address: str, registry: CollectorRegistry, readiness: Callable[[], Readiness]) -> None:
        self._place = Place.parse(address)
        self._registry = registry
        self._readiness = readiness
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen, and return the address; OSError when it is taken."""
        listener = self._place.listen()
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return text_of(listener)

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._place.leave()

    def app(self) -> web.Application:
        """The three resources."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, media = choose_encoder(request.headers.get("Accept", ""))
        # A thousand series take a while to write; the loop that moves traffic must not wait for it.
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": media})

    async def _livez(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        found = self._readiness()
        lines = ["ready" if found.is_ready else "not ready", *found.reasons]
        if "verbose" in request.query:
            lines += found.remarks
        return web.Response(status=200 if found.is_ready else 503, text="\n".join([*lines, ""]))
