"""The lookout: where the targets of the rules are, and which of them are well."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from proxy.control.dns import Directory, Endpoints
from proxy.control.health import Checks, Place, Planes
from proxy.control.probe import Probe
from proxy.rules import Rules
from proxy.settings import Dns


class Lookout:
    """Names and active checks together, for one life of the brain."""

    def __init__(self, settings: Dns) -> None:
        self._directory = Directory(settings)
        self.probe = Probe(self._directory.addresses)
        self._checks = Checks(self.probe.check, random.Random())

    async def run(self, planes: Planes, refresh: Callable[[], Awaitable[None]]) -> None:
        """Look until cancelled: tell the planes who is well, and `refresh` them when a name has moved."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._directory.run(refresh))
            group.create_task(self._checks.run(planes))

    async def survey(self, rules: Rules) -> Endpoints:
        """The addresses behind the targets' names; from now on these rules' targets are checked."""
        endpoints = await self._directory.endpoints(rules)
        self._checks.use(rules, endpoints)
        return endpoints

    def health(self, service: str, version: str, target: str) -> str:
        """How a target is, in one word: `up`, `down`, `unknown`, or `unresolved` when its name has no address."""
        addresses, verdicts = self._directory.known(target), self._checks.verdicts()
        if not addresses:
            return "unresolved"
        found = {verdicts.get((service, version, str(address))) for address in addresses}
        return "up" if True in found else "unknown" if None in found else "down"

    def verdicts(self) -> Mapping[Place, bool]:
        """What the active checks say of each address."""
        return self._checks.verdicts()

    def faults(self) -> tuple[str, ...]:
        """The names that do not resolve, and why."""
        return self._directory.faults()
