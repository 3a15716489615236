"""The flag files: what they say is in force within a second, and a broken one leaves the last good flags and shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from proxy.config import flags as reading
from proxy.control.changes import Changes
from proxy.control.cluster import Cluster
from proxy.control.dataplanes import Receipt
from proxy.control.intake import Intake, lines
from proxy.control.watcher import Watcher
from proxy.errors import Invalid
from proxy.flags.flagset import FlagSet, Sources
from proxy.settings import Settings

ENVIRONMENT = "the environment"


class FlagFiles:
    """Watches where the settings say that flags are; flags of the environment are there without any file."""

    def __init__(self, settings: Settings, control: Changes, cluster: Cluster) -> None:
        self.where = settings.flags or ENVIRONMENT
        """What the ledger calls the place."""
        self._control = control
        self._parse = partial(reading.flags, environ=os.environ, bucketing=settings.flags_bucketing)
        self.intake = Intake(self._load, control.refuse_flags)
        self._told = cluster.follow(settings.kubernetes.flags, self._parse, self.intake.take, reading.is_flags_name)
        self._watcher: Watcher[FlagSet] | None = None
        if settings.flags:
            guarded = self._told.guarded(self._parse) if self._told else self._parse
            self._watcher = Watcher(Path(settings.flags), guarded, self.intake.take, listing=reading.listed)

    async def first(self, former: Sources | None) -> tuple[Sources, Sequence[str]]:
        """The flags at the start; for a brain that came back to broken files, the last good ones and the faults."""
        told = await self._told.first() if self._told else None
        if told is not None:
            return told.sources, ()
        if self._watcher is None:
            return self._parse(()).sources, ()
        try:
            return (await self._watcher.first()).sources, ()
        except Invalid as faults:
            if former is None:
                raise
            return former, lines(faults)

    async def run(self) -> None:
        """Watch for as long as the control plane lives."""
        if self._watcher is not None:
            await self._watcher.run()

    def reload(self) -> None:
        """Read and take at once, changed or not."""
        if self._watcher is not None:
            self._watcher.reload()

    async def warnings(self) -> list[str]:
        """Why changes may never be seen, in words for people."""
        return await self._watcher.warnings() if self._watcher is not None else []

    async def _load(self, found: FlagSet) -> Receipt | None:
        return await self._control.reload_flags(found.sources, self.where)
