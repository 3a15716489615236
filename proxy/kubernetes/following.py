"""Following: a collection as it is now and after every change, whatever happens to the connection.

List once, watch from there, take up the watch again where it broke off, and list again only when the server
has forgotten that place (410 Gone). While the API server is away nothing changes: the last state holds.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable

from proxy.kubernetes.api import Api
from proxy.kubernetes.faults import ApiError, Expired
from proxy.kubernetes.objects import OPENED, Collection, Event, Object, name_of, version_of

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 10.0

_log = logging.getLogger("shunt.kubernetes")

Objects = dict[str, Object]


class Follower:
    """One collection, followed for as long as somebody asks for its states."""

    def __init__(self, api: Api, where: Collection, dice: Callable[[], float] = random.random) -> None:
        self._api = api
        self._where = where
        self._dice = dice
        self._objects: Objects = {}
        self._version = ""
        """Where the watch goes on; "" before the first list and after 410."""
        self._pause_seconds = 0.0
        self.fault = ""
        """Why the API server cannot be followed just now; "" when all is well."""

    async def states(self) -> AsyncIterator[Objects]:
        """The first state as soon as it is known, then each that differs from the one before, for ever."""
        told: Objects | None = None
        while True:
            try:
                if not self._version:
                    await self._list()
                    if self._objects != told:
                        told = dict(self._objects)
                        yield told
                async for event in self._api.watch(self._where, self._version):
                    self._well()
                    if event.kind != OPENED:
                        self._pause_seconds = 0.0
                    if self._take(event):
                        told = dict(self._objects)
                        yield told
                # The server ended the watch, as it does now and then; one that only ends must not become a storm.
                self._wait_longer()
            except Expired:
                self._version = ""
            except ApiError as fault:
                self._note(str(fault))
            await asyncio.sleep(self._pause())

    async def _list(self) -> None:
        found = await self._api.list(self._where)
        self._objects, self._version = found.objects, found.version
        self._well()
        self._pause_seconds = 0.0

    def _take(self, event: Event) -> bool:
        """Whether the event changed anything."""
        self._version = version_of(event.object) or self._version
        name = name_of(event.object)
        if event.kind in ("ADDED", "MODIFIED"):
            self._objects[name] = event.object
            return True
        return event.kind == "DELETED" and self._objects.pop(name, None) is not None

    def _well(self) -> None:
        if self.fault:
            _log.info("%s is followed again", self._where.path)
        self.fault = ""

    def _note(self, fault: str) -> None:
        if not self.fault:
            _log.warning("%s; the last state holds until it can be followed again", fault)
        self.fault = fault
        self._wait_longer()

    def _wait_longer(self) -> None:
        self._pause_seconds = min(max(self._pause_seconds * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    def _pause(self) -> float:
        # Half of it by chance: a hundred replicas must not come back in the same moment.
        return self._pause_seconds * (0.5 + self._dice() / 2)
