"""The cluster: where the pod's own API server is, and the ConfigMaps there that are followed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from proxy.control.events import Events
from proxy.control.herald import Herald
from proxy.control.watcher import Parse
from proxy.errors import Invalid
from proxy.kubernetes.api import Api, in_cluster
from proxy.kubernetes.configmap import ConfigMapWatch
from proxy.kubernetes.events import Reporter
from proxy.settings import Settings

T = TypeVar("T")

_log = logging.getLogger("shunt.kubernetes")


class Cluster:
    """The API server of this pod; outside of a cluster nothing is followed, and the mounts alone count."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        wanted = settings.kubernetes
        access = in_cluster(environ, Path(wanted.account)) if wanted.rules or wanted.flags else None
        self._api = Api(access) if access is not None else None
        self._replica = environ.get("HOSTNAME", "") or "shunt"
        self._about = wanted.rules or wanted.flags
        self._watches: list[ConfigMapWatch[object]] = []
        if access is None and (wanted.rules or wanted.flags):
            _log.warning("there is no API server here (no token in %s): mounts alone are followed", wanted.account)

    def follow(
        self, name: str, parse: Parse[T], take: Callable[[T | Invalid], Awaitable[None]], wanted: Callable[[str], bool]
    ) -> ConfigMapWatch[T] | None:
        """Follow one ConfigMap; None when there is no name or no API server."""
        if self._api is None or not name:
            return None
        watch = ConfigMapWatch(self._api, name, parse, take, wanted)
        self._watches.append(watch)  # type: ignore[arg-type]  # only run and fault are used, whatever it tells
        return watch

    def faults(self) -> list[str]:
        """Why the API server cannot be followed just now."""
        return sorted({watch.fault for watch in self._watches} - {""})

    async def run(self, events: Events) -> None:
        """Follow everything, and report what happens, for as long as the control plane lives."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches:
                group.create_task(watch.run())
            if self._api is not None:
                reporter = Reporter(self._api, self._replica, self._about)
                group.create_task(Herald(reporter, events).run())

    async def close(self) -> None:
        """Close all connections."""
        if self._api is not None:
            await self._api.close()
