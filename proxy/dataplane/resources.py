"""Resources: what all exchanges of one worker share, and the one function that they obey."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from ipaddress import ip_network

from proxy.dataplane.deadlines import Deadlines
from proxy.dataplane.outgoing import Outgoing
from proxy.dataplane.retry import RetryBudget
from proxy.dataplane.roles import Connected, Held, Holding, Mirroring, Observer, Tunnelling
from proxy.dataplane.upstream import Pool
from proxy.errors import NoService
from proxy.http1.request import RequestLimits
from proxy.model import Dice, Request
from proxy.plan import Plan
from proxy.settings import Settings
from proxy.targets import Fleet, Target

MakePlan = Callable[[Request, Dice, float], Plan]
_LOG = logging.getLogger("shunt.dataplane")


def _no_table(request: Request, dice: Dice, now: float) -> Plan:
    raise NoService("no rules are in force yet")


class Resources:
    """Clock, dice, deadlines, limits, pools and budgets; used from one event loop only."""

    def __init__(
        self, settings: Settings, observer: Observer, dice: Dice, name: str, clock: Callable[[], float]
    ) -> None:
        """`name` is the pseudonym in Via, common to all workers of an instance."""
        limits = settings.limits
        self.limits = limits
        self.request_limits = RequestLimits(
            limits.head_bytes, limits.head_fields, limits.target_bytes, limits.trailer_bytes
        )
        self.clock = clock
        self.dice = dice
        self.plan: MakePlan = _no_table
        self.observer = observer
        self.on_outcome = observer.record
        networks = tuple(ip_network(network, strict=False) for network in settings.trusted_proxies)
        self.outgoing = Outgoing(name, networks, settings.max_hops, dice)
        self.deadlines = Deadlines(self.clock())
        self.mirror: Mirroring
        self.holds: dict[str, Holding] = {}
        self.exchanges: set[Held] = set()
        """Requests on their way or on hold."""
        self.tunnels: set[Tunnelling] = set()
        self.clients: set[Connected] = set()
        self.emptied = asyncio.Event()
        """Set when the last client leaves."""
        self.is_draining = False
        self.loop: asyncio.AbstractEventLoop
        self._pools: dict[Target, Pool] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, client: Connected) -> bool:
        """Count a client in, unless there are too many."""
        if self.limits.connections and len(self.clients) >= self.limits.connections:
            return False
        self.clients.add(client)
        self.observer.accept()
        return True

    def forget_client(self, client: Connected) -> None:
        """A client's connection is gone."""
        self.clients.discard(client)
        if not self.clients:
            self.emptied.set()

    def is_overloaded(self) -> bool:
        """Whether a further request would be one too many."""
        most = self.limits.in_flight
        return bool(most) and len(self.exchanges) > most

    def sheds_shadows(self) -> bool:
        """Whether copies are dropped so that requests have room."""
        most = self.limits.in_flight
        return bool(most) and len(self.exchanges) * 2 > most

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

    def retire(self, target: Target) -> None:
        """No table names this target any more: what is in flight finishes, then nothing is kept."""
        pool = self._pools.pop(target, None)
        if pool is not None:
            pool.close_idle()

    def spawn(self, waiting: Coroutine[object, object, None]) -> None:
        """Run a coroutine that this worker owns; what it does not expect is logged, and harms nobody else."""
        task = self.loop.create_task(waiting)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("unexpected in the data plane", exc_info=task.exception())

    async def close(self) -> None:
        """Cut every connection to a target and end every task."""
        for pool in self._pools.values():
            pool.close_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
