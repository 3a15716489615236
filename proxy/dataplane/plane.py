"""The plane: one worker's listeners, clients, pools and holds, and the one function that it obeys."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from ipaddress import ip_network
from typing import Protocol

from proxy.dataplane.deadlines import SWEEP_SECONDS, Deadlines
from proxy.dataplane.exchange import Exchange
from proxy.dataplane.hold import Hold
from proxy.dataplane.listener import ClientConnection
from proxy.dataplane.mirror import Mirror
from proxy.dataplane.outgoing import Outgoing
from proxy.dataplane.retry import RetryBudget
from proxy.dataplane.tunnel import Tunnel
from proxy.dataplane.upstream import Pool
from proxy.errors import NoService
from proxy.http1.request import RequestLimits
from proxy.model import Dice, Request
from proxy.observe.stats import Verdict
from proxy.plan import Outcome, Plan
from proxy.settings import Settings
from proxy.targets import Address, Fleet, Target

MakePlan = Callable[[Request, Dice, float], Plan]
_LOG = logging.getLogger("shunt.dataplane")
_BACKLOG = 4096


class Observer(Protocol):
    """Who is told what happened; called on the hot path, so it only counts."""

    def record(self, outcome: Outcome) -> None:
        """An exchange has ended."""

    def shadow(self, service: str, version: str, verdict: Verdict) -> None:
        """A copy has come to its one end."""

    def eject(self, target: Target) -> None:
        """A target is sent to rest."""

    def accept(self) -> None:
        """A client has connected."""


def _no_table(request: Request, dice: Dice, now: float) -> Plan:
    raise NoService("no rules are in force yet")


class DataPlane:
    """Everything that serves requests in one process; used from one event loop only."""

    def __init__(self, settings: Settings, observer: Observer, dice: Dice, name: str) -> None:
        """`name` is the pseudonym in Via, common to all workers of an instance."""
        self.limits = settings.limits
        self.request_limits = RequestLimits(
            settings.limits.head_bytes,
            settings.limits.head_fields,
            settings.limits.target_bytes,
            settings.limits.trailer_bytes,
        )
        self.clock = time.monotonic
        self.dice = dice
        self.plan: MakePlan = _no_table
        self.observer = observer
        self.on_outcome = observer.record
        networks = tuple(ip_network(network, strict=False) for network in settings.trusted_proxies)
        self.outgoing = Outgoing(name, networks, settings.max_hops, dice)
        self.deadlines = Deadlines(self.clock())
        self.mirror = Mirror(self)
        self.exchanges: set[Exchange] = set()
        self.tunnels: set[Tunnel] = set()
        self.holds: dict[str, Hold] = {}
        self.is_draining = False
        self._tunnel_grace = settings.drain.tunnel_grace
        self._clients: set[ClientConnection] = set()
        self._pools: dict[Target, Pool] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: dict[int, asyncio.Server] = {}
        """By the descriptor of the listening socket."""
        self._sweeping: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop

    # --- its life ---------------------------------------------------------------------------

    async def serve(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on bound sockets; may be called again for more of them."""
        self.loop = asyncio.get_running_loop()
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        for listening in sockets:
            if listening.family == socket.AF_UNIX:
                server = await self.loop.create_unix_server(
                    lambda: ClientConnection(self), sock=listening, backlog=_BACKLOG
                )
            else:
                server = await self.loop.create_server(lambda: ClientConnection(self), sock=listening, backlog=_BACKLOG)
            self._servers[listening.fileno()] = server

    def forsake(self, sockets: Iterable[socket.socket]) -> None:
        """Accept no more on these; whoever was accepted there stays."""
        for listening in sockets:
            server = self._servers.pop(listening.fileno(), None)
            if server is not None:
                server.close()

    def use(self, plan: MakePlan) -> None:
        """From now on requests are planned by this table: one reference is swapped."""
        self.plan = plan

    async def drain(self, bound_seconds: float) -> None:
        """Stop accepting and let everybody finish; what is left at the bound is cut."""
        self.is_draining = True
        for server in self._servers.values():
            server.close()
        for client in list(self._clients):
            client.leave_when_idle()
        for tunnel in list(self.tunnels):
            tunnel.close_within(min(self._tunnel_grace, bound_seconds))
        self._emptied.clear()
        if not self._clients:
            return
        try:
            async with asyncio.timeout(bound_seconds):
                await self._emptied.wait()
        except TimeoutError:
            _LOG.warning("drain: %d connections were cut at the bound", len(self._clients))

    async def close(self) -> None:
        """Cut what is left and let go of everything."""
        self.is_draining = True
        for server in self._servers.values():
            server.close()
        for client in list(self._clients):
            client.transport.abort()
        for pool in self._pools.values():
            pool.close_all()
        self.mirror.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _sweep(self) -> None:
        self.deadlines.sweep(self.clock())
        self._end_holds()
        self._sweeping = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def spawn(self, waiting: Coroutine[object, object, None]) -> None:
        """Run a coroutine that this plane owns; what it does not expect is logged, and harms nobody else."""
        task = self.loop.create_task(waiting)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("unexpected in the data plane", exc_info=task.exception())

    # --- clients ----------------------------------------------------------------------------

    def admit(self, client: ClientConnection) -> bool:
        """Count a client in, unless there are too many."""
        if self.limits.connections and len(self._clients) >= self.limits.connections:
            return False
        self._clients.add(client)
        self.observer.accept()
        return True

    def forget_client(self, client: ClientConnection) -> None:
        """A client's connection is gone."""
        self._clients.discard(client)
        if not self._clients:
            self._emptied.set()

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._clients)

    def is_overloaded(self) -> bool:
        """Whether a further request would be one too many."""
        most = self.limits.in_flight
        return bool(most) and len(self.exchanges) > most

    def sheds_shadows(self) -> bool:
        """Whether copies are dropped so that requests have room."""
        most = self.limits.in_flight
        return bool(most) and len(self.exchanges) * 2 > most

    # --- targets ----------------------------------------------------------------------------

    def in_flight(self, service: str | None = None, address: Address | None = None) -> dict[tuple[str, str], int]:
        """Requests on their way by (service, version), without tunnels and without those that a hold keeps."""
        counts: Counter[tuple[str, str]] = Counter()
        for exchange in self.exchanges:
            fleet, target = exchange.fleet, exchange.target
            if fleet is None or service not in (None, fleet.service):
                continue
            if address is None or (target is not None and target.address == address):
                counts[fleet.service, fleet.version] += 1
        return dict(counts)

    def pool(self, target: Target, fleet: Fleet) -> Pool:
        """The connections of a target, under the settings of the newest table."""
        pool = self._pools.get(target)
        if pool is None:
            pool = self._pools[target] = Pool(target, fleet.pool, fleet.limits, self.deadlines, self.clock)
        elif pool.settings is not fleet.pool or pool.limits is not fleet.limits:
            pool.settings, pool.limits = fleet.pool, fleet.limits
        return pool

    def budget(self, service: str) -> RetryBudget:
        """The retry budget of a service."""
        budget = self._budgets.get(service)
        if budget is None:
            budget = self._budgets[service] = RetryBudget()
        return budget

    def retire(self, targets: Iterable[Target]) -> None:
        """No table names these any more: requests in flight finish, tunnels after a grace, then nothing is kept."""
        for target in targets:
            pool = self._pools.pop(target, None)
            if pool is not None:
                pool.close_idle()
            self.mirror.retire(target)
            self.close_tunnels(target)

    def close_tunnels(self, target: Target) -> None:
        """Close the tunnels of a target once the grace is over."""
        for tunnel in self.tunnels:
            if tunnel.target is target:
                tunnel.close_within(self._tunnel_grace)

    # --- holds ------------------------------------------------------------------------------

    def hold(self, service: str, max_seconds: float, for_seconds: float) -> None:
        """From now on requests of the service wait; a second hold replaces the bounds of the first."""
        before = self.holds.get(service)
        hold = self.holds[service] = Hold(self, max_seconds, self.clock() + for_seconds)
        if before is not None:
            hold.take_over(before)

    def release(self, service: str) -> None:
        """Let the waiting requests go."""
        hold = self.holds.pop(service, None)
        if hold is not None:
            hold.release()

    def held(self) -> dict[str, int]:
        """Requests that wait, by service."""
        return {service: hold.waiting for service, hold in self.holds.items()}

    def _end_holds(self) -> None:
        if self.holds:
            now = self.clock()
            for service in [service for service, hold in self.holds.items() if hold.is_over(now)]:
                self.release(service)
