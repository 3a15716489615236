"""DNS: the addresses behind the targets' names are found in the brain, so that no request ever waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from proxy.errors import ShuntError
from proxy.rules import Rules
from proxy.settings import Dns
from proxy.targets import Address

if TYPE_CHECKING:
    from proxy.control.resolver import Found

FIRST_SECONDS = 1.5
"""How long a change waits for names that nobody has asked for before; afterwards they have no address yet."""

Endpoints = Mapping[str, tuple[Address, ...]]
"""The addresses behind each target that is given by name, by its text in the rules."""

_log = logging.getLogger("shunt.dns")


class Resolving(Protocol):
    """Who can find a name."""

    async def find(self, name: str) -> Found:
        """Its addresses, or Unresolved."""
        ...


class Name:
    """One name that is followed for as long as a target has it."""

    __slots__ = ("addresses", "fault", "is_asked", "task")

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        """The last good ones; a failure keeps them."""
        self.fault = ""
        """Why the last question failed."""
        self.is_asked = asyncio.Event()
        """Set after the first question, whatever came of it."""
        self.task: asyncio.Task[None] | None = None


class Directory:
    """All names of the rules and their addresses."""

    def __init__(self, settings: Dns, resolver: Resolving | None = None) -> None:
        self._settings = settings
        self._resolver = resolver
        self._names: dict[str, Name] = {}
        self._moved = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Follow the names until cancelled; call `changed` whenever one of them has other addresses than before."""
        async with asyncio.TaskGroup() as self._group:
            for name, followed in self._names.items():
                self._follow(name, followed)
            while True:
                await self._moved.wait()
                self._moved.clear()
                try:
                    await changed()
                except ShuntError as fault:
                    _log.error("new addresses are not in force: %s", fault)

    async def endpoints(self, rules: Rules) -> Endpoints:
        """The addresses of all targets that have a name; what does not resolve in time has none for now."""
        texts = {text: name for text in _targets(rules) if (name := name_of(text))}
        self._keep(set(texts.values()))
        await self._wait_asked(set(texts.values()))
        return {text: self._addresses(text, name) for text, name in texts.items()}

    async def addresses(self, text: str) -> tuple[Address, ...]:
        """The addresses of one target; of one that no rule in force names yet, too."""
        name = name_of(text)
        if not name:
            return (Address.parse(text),)
        if name not in self._names:
            self._add(name)
        await self._wait_asked({name})
        return self._addresses(text, name)

    def known(self, text: str) -> tuple[Address, ...]:
        """The addresses that are known at this moment."""
        name = name_of(text)
        return self._addresses(text, name) if name else (Address.parse(text),)

    def faults(self) -> tuple[str, ...]:
        """What could not be resolved when it was last asked for."""
        return tuple(
            f"{name.fault}; {'its last addresses stay in use' if name.addresses else 'its targets get no requests'}"
            for name in self._names.values()
            if name.fault
        )

    # --- what is followed ----------------------------------------------------------------

    def _addresses(self, text: str, name: str) -> tuple[Address, ...]:
        followed, given = self._names.get(name), Address.parse(text)
        return tuple(given._replace(host=host) for host in followed.addresses) if followed is not None else ()

    def _keep(self, wanted: set[str]) -> None:
        for name in self._names.keys() - wanted:
            task = self._names.pop(name).task
            if task is not None:
                task.cancel()
        for name in wanted - self._names.keys():
            self._add(name)

    def _add(self, name: str) -> None:
        followed = self._names[name] = Name()
        if self._group is not None:
            self._follow(name, followed)

    async def _wait_asked(self, names: set[str]) -> None:
        waits = [asyncio.ensure_future(self._names[name].is_asked.wait()) for name in names]
        if waits:
            _, late = await asyncio.wait(waits, timeout=FIRST_SECONDS)
            for wait in late:
                wait.cancel()

    def _follow(self, name: str, followed: Name) -> None:
        assert self._group is not None
        followed.task = self._group.create_task(self._ask_on_and_on(name, followed))

    async def _ask_on_and_on(self, name: str, followed: Name) -> None:
        while True:
            wait_seconds = await self._ask_once(name, followed)
            followed.is_asked.set()
            await asyncio.sleep(wait_seconds)

    async def _ask_once(self, name: str, followed: Name) -> float:
        """Note what the name means now; the seconds until it is to be asked for again."""
        shortest, longest = self._settings.min, self._settings.max
        try:
            found = await self._find(name)
        except ShuntError as fault:
            if str(fault) != followed.fault:
                _log.warning("%s", fault)
            followed.fault = str(fault)
            return shortest
        followed.fault = ""
        if found.addresses != followed.addresses:
            followed.addresses = found.addresses
            if followed.is_asked.is_set():
                self._moved.set()
        return min(max(found.ttl_seconds, shortest), longest)

    async def _find(self, name: str) -> Found:
        if self._resolver is None:
            # Loaded when there is a name for the first time: a brain of plain addresses is 4 MB smaller without.
            from proxy.control.resolver import Resolver

            self._resolver = Resolver(self._settings.server)
        return await self._resolver.find(name)


def name_of(text: str) -> str:
    """The name in a target's text, "" when it is an address or a Unix socket."""
    address = Address.parse(text)
    if address.unix:
        return ""
    try:
        ip_address(address.host)
    except ValueError:
        return address.host
    return ""


def _targets(rules: Rules) -> Iterator[str]:
    for service in rules.services.values():
        for version in service.versions.values():
            yield from version.targets
