"""A worker: tables come in, requests go through, counters go out."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import random
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import closing, suppress

import uvloop

from proxy.dataplane.plane import DataPlane
from proxy.flags.flagset import NO_FLAGS
from proxy.observe.stats import Delta, Gauges
from proxy.processes.asking import asker_of, asker_of_nothing
from proxy.processes.books import Books, open_access_log
from proxy.processes.brainline import BrainLine
from proxy.processes.channel import (
    Acknowledged,
    Answer,
    Ask,
    Beat,
    CloseTunnels,
    Counted,
    FlagsGiven,
    Hello,
    Hold,
    HowManyInFlight,
    Kept,
    LookFor,
    Noted,
    Question,
    Refused,
    Release,
    RoutesSlice,
    Serve,
    ServiceSlice,
    SetHealth,
    TableBegins,
    TableEnds,
    decode,
)
from proxy.processes.children import leave_signals_to_the_supervisor
from proxy.processes.collector import undisturbed
from proxy.processes.handed import read_settings
from proxy.processes.lifeline import Lifeline, Message
from proxy.processes.slices import Assembly
from proxy.processes.testimony import Testimony
from proxy.settings import Settings
from proxy.table import Compiling, Table
from proxy.targets import Address, Registry, Target

REPORT_SECONDS = 0.25
BEAT_SECONDS = 1.0
_LOG_SECONDS = 1.0
"""How long a slow reader of the access log may keep a worker that leaves."""
_HURRY_SECONDS = 0.005
"""Within so long the judge hears of a candidate's failure; all that fail meanwhile travel together."""
_STEP_SECONDS = 0.002
"""How long the brain's words may keep the loop from requests."""


class Worker:
    """One slot's data plane with its two lines: to the supervisor, who owns it, and to the brain, who may be away."""

    def __init__(self, lifeline: Lifeline, slot: int, settings: Settings) -> None:
        self._lifeline = lifeline
        self._slot = slot
        self._settings = settings
        self._started = time.time()
        self._registry = Registry()
        self._stats = Books(self._hurry, Gauges(self._connections, self._held, self._targets))
        dice = random.Random(os.urandom(16))
        self._testimony = Testimony(self._stats.witness)
        self._stats.log = open_access_log(settings, self._stats, dice)
        self._plane = DataPlane(settings, self._stats, dice, settings.name)
        self._table: Table | None = None
        self._revision = 0
        self._assembly = Assembly()
        self._flags = NO_FLAGS
        """Those of the next table."""
        self._asker = asker_of_nothing()
        """Of the present table."""
        self._listeners: list[socket.socket] = []
        self._adopted: dict[str, list[socket.socket]] = {}
        self._is_serving = False
        self._line: BrainLine | None = None
        self._line_changed = asyncio.Event()
        self._unnoted: tuple[int, Delta] | None = None
        self._numbers = itertools.count(1)
        self._is_hurrying = False
        self._orders: asyncio.Queue[Message] = asyncio.Queue()

    async def run(self) -> None:
        """Serve until told to leave, or until nobody is left who could tell."""
        asyncio.get_running_loop().add_reader(self._lifeline.fileno(), self._hear_supervisor)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._take_in()), group.create_task(self._report())]
            await self._obey()
            for task in tasks:
                task.cancel()
        await self._plane.close()
        if self._stats.log is not None:
            self._stats.log.close(_LOG_SECONDS)
        self._count()
        self._testimony.tell()
        if self._line is not None:
            self._line.close()

    # --- the supervisor ----------------------------------------------------------------

    def _hear_supervisor(self) -> None:
        try:
            for message in self._lifeline.hear():
                self._orders.put_nowait(message)
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._lifeline.fileno())
            self._orders.put_nowait(Message("drain", (str(self._settings.drain.bound),)))

    async def _obey(self) -> None:
        """Carry out the supervisor's orders; returns when the last one, to drain, is done."""
        while True:
            order = await self._orders.get()
            sockets = [socket.socket(fileno=number) for number in order.descriptors]
            match order.word:
                case "listen":
                    self._listeners = sockets
                case "channel":
                    await self._connect(sockets[0])
                case "adopt":
                    self._adopted[order.rest[0]] = sockets
                    await self._plane.serve(sockets)
                case "disown":
                    self._plane.forsake(self._adopted.pop(order.rest[0], []))
                case "drain":
                    await self._plane.drain(float(order.rest[0]))
                    return

    # --- the brain ---------------------------------------------------------------------

    async def _connect(self, channel: socket.socket) -> None:
        former = self._line
        self._line = line = BrainLine(self._on_line_end)
        if former is not None:
            former.close()
            self._keep_unnoted()
            self._testimony.pause()
        channel.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: line, sock=channel)
        line.send(Hello(self._slot, os.getpid(), self._started, self._revision, self._is_serving))
        self._line_changed.set()

    def _on_line_end(self, line: BrainLine) -> None:
        if line is self._line:
            self._line = None
            self._keep_unnoted()
            self._testimony.pause()

    async def _take_in(self) -> None:
        """Do what the brain says, a few milliseconds at a time."""
        while True:
            await self._line_changed.wait()
            self._line_changed.clear()
            while (line := self._line) is not None:
                await self._take_in_from(line)

    async def _take_in_from(self, line: BrainLine) -> None:
        until = time.monotonic() + _STEP_SECONDS
        while (frame := await line.next_frame()) is not None:
            await self._on_word(line, decode(frame))
            if time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + _STEP_SECONDS

    async def _on_word(self, line: BrainLine, word: object) -> None:
        match word:
            case TableBegins() | ServiceSlice() | RoutesSlice():
                self._assembly.add(word)
            case FlagsGiven(sources):
                self._flags = sources
            case TableEnds():
                line.send(await self._swap(word))
            case Serve():
                await self._serve()
            case Ask(number, question):
                line.send(self._answer(number, question))
            case Noted(number):
                if self._unnoted is not None and self._unnoted[0] == number:
                    self._unnoted = None
            case LookFor() | Kept() | CloseTunnels():
                self._on_rollout_word(line, word)
            case SetHealth():
                address = Address.parse(word.address)
                self._registry.target(word.service, word.version, address).set_healthy(
                    time.monotonic(), healthy=word.healthy
                )

    def _on_rollout_word(self, line: BrainLine, word: LookFor | Kept | CloseTunnels) -> None:
        match word:
            case LookFor(watches):
                self._testimony.watch(watches)
            case Kept(number):
                if line is self._line:
                    self._testimony.keep(number, line)
            case CloseTunnels(service, version):
                for target in self._targets():
                    if (target.service, target.version) == (service, version):
                        self._plane.close_tunnels(target)

    async def _swap(self, ends: TableEnds) -> Acknowledged | Refused:
        """Compile in slices, swap one reference; a fault keeps the table that is there."""
        with undisturbed(ends.revision):
            return await self._compile(ends)

    async def _compile(self, ends: TableEnds) -> Acknowledged | Refused:
        try:
            begun = self._assembly.complete(ends)
            asker = await asker_of(self._flags, self._asker)
            rules, registry, previous = self._assembly.rules, self._registry, self._table
            compiling = Compiling(rules, registry, endpoints=begun.endpoints, flags=asker, previous=previous)
            for _ in compiling:
                await asyncio.sleep(0)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the brain must hear of it and undo the change
            return Refused(ends.revision, f"{type(fault).__name__}: {fault}")
        self._table, self._revision, self._asker = compiling.table, ends.revision, asker
        self._plane.use(self._table.plan)
        self._plane.retire(self._registry.retain(self._table.targets()))
        return Acknowledged(ends.revision, self._plane.in_flight())

    async def _serve(self) -> None:
        if self._is_serving:
            return
        self._is_serving = True
        await self._plane.serve(self._listeners)
        self._lifeline.tell("ready")

    def _answer(self, number: int, question: Question) -> Answer:
        match question:
            case Hold(service, max_seconds, for_seconds):
                self._plane.hold(service, max_seconds, for_seconds)
            case Release(service):
                self._plane.release(service)
            case HowManyInFlight(service, version, target):
                return Answer(number, self._in_flight(service, version, target))
        return Answer(number, self._in_flight(service, None, None), self._plane.held().get(service, 0))

    def _in_flight(self, service: str, version: str | None, target: str | None) -> int:
        counts = self._plane.in_flight(service, None if target is None else Address.parse(target))
        return sum(count for name, count in counts.items() if version in (None, name[1]))

    # --- counters ----------------------------------------------------------------------

    def _hurry(self) -> None:
        """A candidate failed: the judge shall know at once, in one report for all that fail at the same moment."""
        if not self._is_hurrying:
            self._is_hurrying = True
            asyncio.get_running_loop().call_later(_HURRY_SECONDS, self._testify)

    def _testify(self) -> None:
        self._is_hurrying = False
        self._testimony.tell()

    def _connections(self) -> int:
        return self._plane.connections

    def _held(self) -> dict[str, int]:
        return self._plane.held()

    def _targets(self) -> Iterable[Target]:
        return self._table.targets() if self._table is not None else ()

    async def _report(self) -> None:
        beat_due = 0.0
        while True:
            self._count()
            self._testimony.tell()
            now = time.monotonic()
            if now >= beat_due and self._line is not None:
                self._line.send(Beat())
                beat_due = now + BEAT_SECONDS
            await asyncio.sleep(REPORT_SECONDS)

    def _count(self) -> None:
        """Send what was counted; while an earlier report is not noted, the books simply go on."""
        if self._line is None or self._unnoted is not None:
            return
        number, delta = next(self._numbers), self._stats.delta()
        if self._line.send(Counted(number, delta)):
            self._unnoted = (number, delta)
        else:
            self._stats.restore(delta)

    def _keep_unnoted(self) -> None:
        if self._unnoted is not None:
            self._stats.restore(self._unnoted[1])
            self._unnoted = None


async def _first_order(lifeline: Lifeline) -> Message:
    """The slot and the settings, which the supervisor tells before anything else."""
    loop = asyncio.get_running_loop()
    spoken = asyncio.Event()
    loop.add_reader(lifeline.fileno(), spoken.set)
    await spoken.wait()
    loop.remove_reader(lifeline.fileno())
    return next(lifeline.hear())


async def _serve_slot(lifeline: Lifeline) -> None:
    order = await _first_order(lifeline)
    await Worker(lifeline, int(order.rest[0]), read_settings(order.descriptors[0])).run()


def main() -> None:
    """Be the worker at the end of the lifeline whose descriptor is the first argument."""
    leave_signals_to_the_supervisor()
    lifeline = Lifeline.from_descriptor(int(sys.argv[1]))
    gc.freeze()  # what was imported stays: no collection need look at it again
    with suppress(EOFError), closing(lifeline):
        uvloop.run(_serve_slot(lifeline))


if __name__ == "__main__":
    main()
