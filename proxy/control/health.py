"""Health: every target is asked now and then, and the workers hear when one goes down or comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Protocol

from proxy.control.dns import Endpoints
from proxy.model import Dice
from proxy.rules import Health, Rules
from proxy.targets import Address

MOST_AT_ONCE = 32
"""Checks on their way at the same time."""
_FIRST_WITHIN_SECONDS = 1.0
_JITTER = 0.2
"""Checks come up to so much of their interval earlier or later, so that many never strike at once."""

Place = tuple[str, str, str]
"""Service, version and the target's address."""


class Pulse:
    """Counts checks in a row: down after so many failures, up after so many successes; the first success counts."""

    __slots__ = ("_row", "fault", "is_well")

    def __init__(self) -> None:
        self.is_well: bool | None = None
        """None until the checks agree on something."""
        self.fault = ""
        """What the last check found wrong."""
        self._row = 0
        """Checks in a row that contradict the verdict."""

    def note(self, fault: str, health: Health) -> bool:
        """Count one check in, "" for a good one; True when the verdict changes."""
        self.fault = fault
        is_well = not fault
        if is_well is self.is_well:
            self._row = 0
            return False
        self._row += 1
        needed = health.down_after if fault else health.up_after
        if self._row < needed and not (is_well and self.is_well is None):
            return False
        self.is_well, self._row = is_well, 0
        return True


class Planes(Protocol):
    """Who is told; see DataPlanes."""

    async def set_health(self, service: str, version: str, address: str, *, healthy: bool) -> None:
        """A target is up or down."""

    def forget_health(self, kept: set[Place]) -> None:
        """Targets that nobody checks any more."""


class _Watched:
    """One target under watch."""

    __slots__ = ("address", "health", "pulse", "task")

    def __init__(self, address: Address, health: Health) -> None:
        self.address = address
        self.health = health
        self.pulse = Pulse()
        self.task: asyncio.Task[None] | None = None


class Checks:
    """The active checks of all targets whose service has `health`; `check` asks one target and says what is wrong."""

    def __init__(self, check: Callable[[Address, Health], Awaitable[str]], dice: Dice) -> None:
        self._planes: Planes | None = None
        self._check = check
        self._dice = dice
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        self._watched: dict[Place, _Watched] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self, planes: Planes) -> None:
        """Check until cancelled, and tell the planes what changes."""
        self._planes = planes
        async with asyncio.TaskGroup() as self._group:
            for place, watched in self._watched.items():
                self._watch(place, watched)
            await asyncio.get_running_loop().create_future()

    def use(self, rules: Rules, endpoints: Endpoints) -> None:
        """From now on check the targets of these rules; what stays the same keeps its verdict."""
        wanted = dict(_wanted(rules, endpoints))
        for place, watched in list(self._watched.items()):
            if wanted.get(place) != (watched.address, watched.health):
                del self._watched[place]
                if watched.task is not None:
                    watched.task.cancel()
        if self._planes is not None:
            self._planes.forget_health(set(self._watched))
        for place in wanted.keys() - self._watched.keys():
            watched = self._watched[place] = _Watched(*wanted[place])
            if self._group is not None:
                self._watch(place, watched)

    def verdicts(self) -> Mapping[Place, bool]:
        """Whether each target is well; without those of which nothing is known yet."""
        return {
            place: watched.pulse.is_well
            for place, watched in self._watched.items()
            if watched.pulse.is_well is not None
        }

    def _watch(self, place: Place, watched: _Watched) -> None:
        assert self._group is not None
        watched.task = self._group.create_task(self._check_on_and_on(place, watched))

    async def _check_on_and_on(self, place: Place, watched: _Watched) -> None:
        every = watched.health.every
        await asyncio.sleep(self._dice.random() * min(every, _FIRST_WITHIN_SECONDS))
        while True:
            async with self._room:
                fault = await self._check(watched.address, watched.health)
            if watched.pulse.note(fault, watched.health) and self._planes is not None:
                await self._planes.set_health(*place, healthy=not fault)
            await asyncio.sleep(every * (1 - _JITTER / 2 + _JITTER * self._dice.random()))


def _wanted(rules: Rules, endpoints: Endpoints) -> Iterator[tuple[Place, tuple[Address, Health]]]:
    for service in rules.services.values():
        if service.health is None:
            continue
        for version, build in service.versions.items():
            for text in build.targets:
                for address in endpoints[text] if text in endpoints else (Address.parse(text),):
                    yield (service.name, version, str(address)), (address, service.health)
