"""How a worker takes feature flags in: a few at a time, and those that it has already not at all."""

from __future__ import annotations

import asyncio
import time

from proxy.flags.asker import Asker
from proxy.flags.flagset import NO_FLAGS, Sources, compiled, compiling


def asker_of_nothing() -> Asker:
    """Where no flags were given yet."""
    return Asker(compiled(NO_FLAGS), time.time)


async def asker_of(sources: Sources, former: Asker) -> Asker:
    """Who asks these flags; the former one if they are the same, for then no service is compiled anew."""
    if sources == former.flags.sources:
        return former
    steps = compiling(sources)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return Asker(done.value, time.time)
        await asyncio.sleep(0)
