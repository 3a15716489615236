"""The plane: one worker's listeners, clients, targets and holds, as the rest of the worker sees them."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf

from proxy.dataplane.deadlines import SWEEP_SECONDS
from proxy.dataplane.hold import Hold
from proxy.dataplane.listener import ClientConnection
from proxy.dataplane.mirror import Mirror
from proxy.dataplane.resources import MakePlan, Resources
from proxy.dataplane.roles import Observer
from proxy.model import Dice
from proxy.settings import Settings
from proxy.targets import Address, Target

_LOG = logging.getLogger("shunt.dataplane")
_BACKLOG = 4096


class DataPlane:
    """Everything that serves requests in one process; used from one event loop only."""

    def __init__(
        self,
        settings: Settings,
        observer: Observer,
        dice: Dice,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is the pseudonym in Via, common to all workers of an instance; `clock` counts seconds."""
        self._resources = Resources(settings, observer, dice, name, clock)
        self._mirror = Mirror(self._resources)
        self._resources.mirror = self._mirror
        self._holds: dict[str, Hold] = {}
        self._tunnel_grace = settings.drain.tunnel_grace
        self._servers: dict[socket.socket, asyncio.Server] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    # --- its life ---------------------------------------------------------------------------

    async def serve(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on bound sockets; may be called again for more of them."""
        resources = self._resources
        loop = resources.loop = asyncio.get_running_loop()
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep)
        for listening in sockets:
            # Unix sockets, too: create_unix_server would remove the file at its close, while others still serve there.
            server = await loop.create_server(lambda: ClientConnection(resources), sock=listening, backlog=_BACKLOG)
            self._servers[listening] = server

    def forsake(self, sockets: Iterable[socket.socket]) -> None:
        """Accept no more on these; whoever was accepted there stays."""
        for listening in sockets:
            server = self._servers.pop(listening, None)
            if server is not None:
                server.close()

    def use(self, plan: MakePlan) -> None:
        """From now on requests are planned by this table: one reference is swapped."""
        self._resources.plan = plan

    async def drain(self, bound_seconds: float) -> None:
        """Stop accepting and let everybody finish; what is left at the bound is for `close` to cut."""
        resources = self._resources
        resources.is_draining = True
        # Whoever is connected already shall be answered: the queues are emptied in the same step that closes them.
        arrived = [client for listening in self._servers for client in _waiting_at(listening)]
        self.forsake(list(self._servers))
        for client in arrived:
            await resources.loop.connect_accepted_socket(lambda: ClientConnection(resources), client)
        for tunnel in list(resources.tunnels):
            tunnel.close_within(min(self._tunnel_grace, bound_seconds))
        resources.emptied.clear()
        if not resources.clients:
            return
        try:
            async with asyncio.timeout(bound_seconds):
                await resources.emptied.wait()
        except TimeoutError:
            _LOG.warning("drain: %d connections are left at the bound", len(resources.clients))

    async def close(self) -> None:
        """Cut what is left and let go of everything."""
        resources = self._resources
        resources.is_draining = True
        self.forsake(list(self._servers))
        for client in list(resources.clients):
            client.abort()
        self._mirror.close()
        await resources.close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _sweep(self) -> None:
        resources = self._resources
        now = resources.clock()
        resources.deadlines.sweep(now)
        for exchange in [each for each in resources.exchanges if each.deadline <= now]:
            if not exchange.is_over:
                exchange.deadline = inf
                exchange.expire(now)
        self._end_holds()
        self._sweeping = resources.loop.call_later(SWEEP_SECONDS, self._sweep)

    # --- what is on its way -----------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._resources.clients)

    def in_flight(self, service: str | None = None, address: Address | None = None) -> dict[tuple[str, str], int]:
        """Requests on their way by (service, version), without tunnels and without those that a hold keeps."""
        counts: Counter[tuple[str, str]] = Counter()
        for exchange in self._resources.exchanges:
            fleet, target = exchange.fleet, exchange.target
            if fleet is None or service not in (None, fleet.service):
                continue
            if address is None or (target is not None and target.address == address):
                counts[fleet.service, fleet.version] += 1
        return dict(counts)

    def retire(self, targets: Iterable[Target]) -> None:
        """No table names these any more: requests in flight finish, tunnels after a grace, then nothing is kept."""
        for target in targets:
            self._resources.retire(target)
            self._mirror.retire(target)
            self.close_tunnels(target)

    def close_tunnels(self, target: Target) -> None:
        """Close the tunnels of a target once the grace is over."""
        for tunnel in list(self._resources.tunnels):
            if tunnel.target is target:
                tunnel.close_within(self._tunnel_grace)

    # --- holds ------------------------------------------------------------------------------

    def hold(self, service: str, max_seconds: float, for_seconds: float) -> None:
        """From now on requests of the service wait; a second hold replaces the bounds of the first."""
        resources = self._resources
        before = self._holds.get(service)
        hold = Hold(max_seconds, resources.clock() + for_seconds)
        self._holds[service] = resources.holds[service] = hold
        if before is not None:
            hold.take_over(before)

    def release(self, service: str) -> None:
        """Let the waiting requests go."""
        hold = self._holds.pop(service, None)
        self._resources.holds.pop(service, None)
        if hold is not None:
            hold.release()

    def held(self) -> dict[str, int]:
        """Requests that wait, by service."""
        return {service: hold.waiting for service, hold in self._holds.items()}

    def _end_holds(self) -> None:
        if self._holds:
            now = self._resources.clock()
            for service in [service for service, hold in self._holds.items() if hold.is_over(now)]:
                self.release(service)


def _waiting_at(listening: socket.socket) -> list[socket.socket]:
    """Everybody who waits at a listening socket to be accepted."""
    waiting = []
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            client.setblocking(False)
            waiting.append(client)
    return waiting
