"""ConfigMaps by the API: rules are live within a moment of `kubectl apply`, not after the kubelet's minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from proxy.config import Source
from proxy.errors import Invalid
from proxy.kubernetes.api import Api
from proxy.kubernetes.following import Follower
from proxy.kubernetes.objects import Collection, texts

T = TypeVar("T")

Parse = Callable[[tuple[Source, ...]], T]
Wanted = Callable[[str], bool]
"""Whether a key of the ConfigMap counts."""


class ConfigMapWatch(Generic[T]):
    """Tells `take` what one ConfigMap says whenever that is new: a value, or why there is none.

    A ConfigMap that is deleted, or not there yet, changes nothing: what was told last holds.
    """

    def __init__(
        self, api: Api, name: str, parse: Parse[T], take: Callable[[T | Invalid], Awaitable[None]], wanted: Wanted
    ) -> None:
        where = Collection(group="v1", resource="configmaps", namespace=api.access.namespace, name=name)
        self.name = name
        self._follower = Follower(api, where)
        self._parse = parse
        self._take = take
        self._wanted = wanted
        self._told: tuple[Source, ...] = ()

    @property
    def fault(self) -> str:
        """Why the API server cannot be followed just now."""
        return self._follower.fault

    async def run(self) -> None:
        """Follow for as long as the control plane lives."""
        async for objects in self._follower.states():
            found = objects.get(self.name)
            content = texts(found.get("data")) if found else {}
            sources = tuple(
                Source(f"configmap {self.name}: {key}", content[key].encode())
                for key in sorted(content)
                if self._wanted(key)
            )
            if sources and sources != self._told:
                self._told = sources
                await self._take(await self._parsed(sources))

    async def _parsed(self, sources: tuple[Source, ...]) -> T | Invalid:
        try:
            return await asyncio.to_thread(self._parse, sources)
        except Invalid as faults:
            return faults
