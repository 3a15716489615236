"""The sites: people are answered at one address, applications at another, probes and Prometheus at a third."""

from __future__ import annotations

import os
import socket
import time

from aiohttp import web
from prometheus_client import CollectorRegistry

from proxy.control.addresses import text_of
from proxy.control.admin.guard import TOKEN_ENVIRONMENT, find_token
from proxy.control.admin.operations import Desk
from proxy.control.admin.server import CLOSE_SECONDS, Admin
from proxy.control.ofrep import Access, Ofrep
from proxy.control.telemetry import Telemetry
from proxy.control.vital_signs import VitalSigns
from proxy.settings import Settings


class Sites:
    """Opened one by one on listeners that the supervisor holds: none of them ends with a brain."""

    def __init__(self, settings: Settings, desk: Desk, vital_signs: VitalSigns) -> None:
        self._settings = settings
        self._desk = desk
        self._vital_signs = vital_signs
        self._runners: list[web.AppRunner] = []
        self._people: web.AppRunner | None = None

    async def open_telemetry(self, listener: socket.socket) -> None:
        """Answer probes and Prometheus."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._vital_signs)
        telemetry = Telemetry(text_of(listener), registry, self._vital_signs.readiness)
        await self._open(_runner(telemetry.app()), listener)

    async def open_applications(self, listener: socket.socket) -> None:
        """Answer OFREP."""
        key = find_token(self._settings.ofrep_key_file, "", "ofrep_key_file")
        access = Access(key=key, per_second=self._settings.ofrep_per_second)
        flags = self._desk.control.flags
        ofrep = Ofrep(lambda: flags.history, access, now=time.monotonic, wall_clock=time.time)
        await self._open(_runner(ofrep.app()), listener)

    async def open_people(self, listener: socket.socket) -> None:
        """Answer the admin API."""
        token = find_token(self._settings.admin_token_file, os.environ.get(TOKEN_ENVIRONMENT, ""))
        self._people = Admin(self._desk, text_of(listener), token).runner()
        await self._open(self._people, listener)

    async def close_people(self) -> None:
        """Let another brain answer the admin API."""
        runner, self._people = self._people, None
        if runner is not None:
            await runner.cleanup()

    async def close(self) -> None:
        """Answer nobody any more."""
        for runner in self._runners:
            await runner.cleanup()

    async def _open(self, runner: web.AppRunner, listener: socket.socket) -> None:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        self._runners.append(runner)


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
