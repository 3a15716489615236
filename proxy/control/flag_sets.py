"""The flag sets outside the workers: the one in force and those just before it, compiled, for whoever asks."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable

from proxy.flags.flagset import NO_FLAGS, FlagSet, History, Sources, compiled

_log = logging.getLogger(__name__)


class FlagSets:
    """What OFREP and explanations answer from. `keep` is given what a successor must be told, as bytes."""

    def __init__(self, keep: Callable[[bytes], None] = lambda _: None) -> None:
        self.history = History(compiled(NO_FLAGS))
        self._recent: tuple[Sources, ...] = ()
        self._keep = keep

    @property
    def current(self) -> FlagSet:
        """The flag set in force."""
        return self.history.current

    async def find_again(self, kept: bytes) -> Sources | None:
        """Remember what a former life kept; the flags in force then, as in their files, None if nothing was kept."""
        recent: tuple[Sources, ...] = pickle.loads(kept) if kept else ()
        for sources in recent:
            await self.use(sources)
        return recent[-1].overridden({}) if recent else None

    async def use(self, sources: Sources) -> None:
        """Put flags in force, before the first worker has them: who is routed by them may be asked for at once."""
        if sources == self.current.sources:
            return
        flags = await asyncio.to_thread(compiled, sources)
        for void in flags.void:
            _log.warning("an override fits no longer: %s", void)
        self.history.use(flags)
        self._recent = tuple(each.sources for each in self.history.remembered)
        self._keep(await asyncio.to_thread(pickle.dumps, self._recent, 5))
