"""ConfigMaps by the API: live within a moment of `kubectl apply`, not after the kubelet's minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from proxy.config import Source
from proxy.errors import Invalid
from proxy.kubernetes.api import Api
from proxy.kubernetes.faults import ApiError
from proxy.kubernetes.following import Follower, Objects
from proxy.kubernetes.objects import Collection, texts
from proxy.kubernetes.precedence import Precedence, Superseded

T = TypeVar("T")

Sources = tuple[Source, ...]
Parse = Callable[[Sources], T]
FIRST_SECONDS = 2.0
"""How long a start waits for the API server before it believes the mount."""


class ConfigMapWatch(Generic[T]):
    """Tells `take` what one ConfigMap says whenever that is new: a value, or why there is none.

    A ConfigMap that is deleted, or not there yet, changes nothing: what was told last holds. `wanted` says which of
    its keys count.
    """

    def __init__(
        self,
        api: Api,
        name: str,
        parse: Parse[T],
        take: Callable[[T | Invalid], Awaitable[None]],
        wanted: Callable[[str], bool] = lambda key: True,
    ) -> None:
        self._api = api
        self._where = Collection(group="v1", resource="configmaps", namespace=api.access.namespace, name=name)
        self._parse = parse
        self._take = take
        self._wanted = wanted
        self._told: Sources = ()
        self._follower = Follower(api, self._where)
        self._precedence = Precedence()

    @property
    def fault(self) -> str:
        """Why the API server cannot be followed just now; "" when all is well."""
        return self._follower.fault

    def guarded(self, parse: Parse[T]) -> Parse[T]:
        """The parser for the same ConfigMap's mount; it raises Superseded for what the API server has replaced."""

        def parsed(sources: Sources) -> T:
            self._precedence.is_followed = not self._follower.fault
            if self._precedence.is_stale(sources):
                raise Superseded(f"the mount of {self._where.name} is not what the API server says: ignored")
            return parse(sources)

        return parsed

    async def first(self) -> T | None:
        """What the ConfigMap says at the start; None when that is not known in time, or is broken."""
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                found = await self._api.get(self._where, self._where.name)
        except (ApiError, TimeoutError):
            return None
        sources = self._sources({self._where.name: found})
        if not sources:
            return None
        value = await self._parsed(sources)
        return None if isinstance(value, Invalid) else value

    async def run(self) -> None:
        """Follow for as long as the control plane lives."""
        async for objects in self._follower.states():
            sources = self._sources(objects)
            if sources and sources != self._told:
                await self._take(await self._parsed(sources))

    def _sources(self, objects: Objects) -> Sources:
        name = self._where.name
        content = texts(objects.get(name, {}).get("data"))
        keys = sorted(key for key in content if self._wanted(key))
        return tuple(Source(f"configmap/{name}/{key}", content[key].encode()) for key in keys)

    async def _parsed(self, sources: Sources) -> T | Invalid:
        self._told = sources
        self._precedence.told(sources)
        try:
            return await asyncio.to_thread(self._parse, sources)
        except Invalid as faults:
            return faults
