"""What the brain is given when it starts, the first time and after every crash."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

from proxy.processes.handed import read_settings
from proxy.processes.held import HeldMemory, ReleaseMemory, make_memory
from proxy.processes.lifeline import Lifeline, Message
from proxy.settings import Settings

_MEMORIES = 3


class Handover(NamedTuple):
    """Everything here is older than the brain and will outlive it."""

    settings: Settings
    state: HeldMemory
    """Overrides and ledger, when no file keeps them."""
    rules: HeldMemory
    """The last good rules."""
    flags: HeldMemory
    """The last few flag sets, the last good one last."""
    admin: socket.socket
    telemetry: socket.socket
    ofrep: socket.socket | None
    """Where applications ask for flags; None where they do not."""
    listening: tuple[str, ...]
    """Where clients are served."""
    workers: int
    is_first: bool
    """False: a former brain has served, so nothing here may end the instance."""
    is_upgrade: bool = False
    """A former brain still serves, and will until this one does."""
    generation: int = 1
    """How often this instance was upgraded, and one."""


async def words(lifeline: Lifeline) -> AsyncIterator[Message]:
    """All that the supervisor says, until it is gone."""
    loop = asyncio.get_running_loop()
    spoken = asyncio.Event()
    loop.add_reader(lifeline.fileno(), spoken.set)
    try:
        while True:
            spoken.clear()
            try:
                for message in lifeline.hear():
                    yield message
            except EOFError:
                return
            await spoken.wait()
    finally:
        loop.remove_reader(lifeline.fileno())


async def receive(said: AsyncIterator[Message]) -> Handover | None:
    """The handover, or None when the supervisor is gone before it is complete."""
    parts: dict[str, Message] = {}
    async for message in said:
        parts[message.word] = message
        if message.word == "begin":
            workers, turn, generation = message.rest
            memories = [*parts["memory"].descriptors]
            if len(memories) < _MEMORIES:
                memories.append(make_memory("flags"))  # an instance that began before there were flags
            return Handover(
                settings=read_settings(parts["settings"].descriptors[0]),
                state=HeldMemory(memories[0]),
                rules=ReleaseMemory(memories[1]),
                flags=ReleaseMemory(memories[2]),
                admin=socket.socket(fileno=parts["admin"].descriptors[0]),
                telemetry=socket.socket(fileno=parts["telemetry"].descriptors[0]),
                ofrep=socket.socket(fileno=parts["ofrep"].descriptors[0]) if "ofrep" in parts else None,
                listening=parts["listening"].rest,
                workers=int(workers),
                is_first=turn == "first",
                is_upgrade=turn == "upgrade",
                generation=int(generation),
            )
    return None
