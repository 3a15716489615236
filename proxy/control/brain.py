"""The brain: knows the rules, lets changes in by one door, and may crash without anybody noticing."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing

from proxy import __version__
from proxy.control.admin.operations import Desk
from proxy.control.changes import Former, Loaded, Surroundings
from proxy.control.cluster import Cluster
from proxy.control.door import Control
from proxy.control.flag_files import FlagFiles
from proxy.control.flag_sets import FlagSets
from proxy.control.handover import Handover, receive, words
from proxy.control.held_state import HeldState
from proxy.control.lookout import Lookout
from proxy.control.malformed import quieten
from proxy.control.pacer import Pacer
from proxy.control.rules_files import RulesFiles
from proxy.control.sites import Sites
from proxy.control.state import FileState
from proxy.control.vital_signs import VitalSigns
from proxy.control.workers import Workers
from proxy.errors import ShuntError
from proxy.observe.stats import Delta
from proxy.observe.totals import Names, Totals
from proxy.processes.channel import Seen
from proxy.processes.children import leave_signals_to_the_supervisor
from proxy.processes.collector import settle
from proxy.processes.lifeline import Lifeline, Message
from proxy.processes.listeners import url
from proxy.rules import Rules

START_SECONDS = 30.0
"""How long the workers may take to their first table."""
HELLO_SECONDS = 0.5
"""How long a brain that came back waits to hear which revision its workers have."""
SWEEP_SECONDS = 60.0

_log = logging.getLogger("shunt.brain")


class Brain:
    """One life of the control plane."""

    def __init__(self, lifeline: Lifeline, handover: Handover) -> None:
        self._lifeline = lifeline
        self._handover = handover
        settings = handover.settings
        self._totals = Totals()
        self._lookout = Lookout(settings.dns)
        self._workers = Workers(self._kill, self._on_counted, self._lookout.survey, self._on_seen)
        state = FileState(settings.state) if settings.state else HeldState(handover.state)
        around = Surroundings(probe=self._lookout.probe, busy=self._busy, upgrade=self._ask_for_upgrade)
        self._control = Control(self._workers, around, state, FlagSets(handover.flags.write))
        self._control.condition.generation = handover.generation
        self._pacer = Pacer(self._control, self._workers)
        self._cluster = Cluster(settings, os.environ)
        self._rules = RulesFiles(settings, self._control, self._cluster, handover.rules, self._on_rules)
        self._flags = FlagFiles(settings, self._control, self._cluster)
        self._vital_signs = VitalSigns(
            control=self._control,
            workers=self._workers,
            totals=self._totals,
            lookout=self._lookout,
            cluster=self._cluster,
            rules=self._rules,
            flags=self._flags,
            pacer=self._pacer,
        )
        desk = Desk(
            control=self._control, snapshot=self._totals.snapshot, health=self._lookout.health, pacer=self._pacer
        )
        self._sites = Sites(settings, desk, self._vital_signs)
        self._group: asyncio.TaskGroup | None = None
        self._rule: list[asyncio.Task[None]] = []
        """What changes traffic by itself; laid down when another brain takes over."""

    async def run(self, said: AsyncIterator[Message]) -> int:
        """Live until the supervisor says stop; the exit code."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            first = (self._workers.watch(), self._sweep(), self._lookout.run(self._workers, self._control.refresh))
            chores = [group.create_task(chore) for chore in first]
            ending = group.create_task(self._obey(said))
            starting = group.create_task(self._start())
            await asyncio.wait([ending, starting], return_when=asyncio.FIRST_COMPLETED)
            code = starting.result() if starting.done() else 0
            if starting.done() and code == 0:
                self._begin_rule()
                await ending
            for task in (*chores, *self._rule, ending, starting):
                task.cancel()
        await self._close()
        return code

    # --- starting ----------------------------------------------------------------------

    async def _start(self) -> int:
        """Bring everything up; 0, or the exit code of an instance that cannot start."""
        try:
            await self._open()
        except ShuntError as fault:
            return self._refuse(str(fault))
        except TimeoutError:
            return self._refuse("the workers did not take the first table in time")
        for warning in (*await self._rules.warnings(), *await self._flags.warnings()):
            _log.warning("%s", warning)
        self._lifeline.tell("serving")
        if self._handover.is_first:
            self._announce()
        return 0

    async def _open(self) -> None:
        """Rules, sites, workers; an heir is silent to people and probes until it serves: its predecessor answers."""
        given = self._handover
        if not given.is_upgrade:
            await self._sites.open_telemetry(given.telemetry)
        await self._begin()
        if given.ofrep is not None:
            await self._sites.open_applications(given.ofrep)
        if not given.is_upgrade:
            await self._sites.open_people(given.admin)
        async with asyncio.timeout(START_SECONDS):
            await self._workers.wait_serving(given.workers)
        if given.is_upgrade:
            await self._sites.open_telemetry(given.telemetry)
            await self._sites.open_people(given.admin)

    async def _begin(self) -> None:
        """Put the first rules and flags in force, and find every rollout where it was."""
        rules, faults = await self._rules.first()
        former = Former(self._rules.former(), await self._control.flags.find_again(self._handover.flags.read()))
        flags, flag_faults = await self._flags.first(former.flags)
        seen = await self._seen_revision()
        loaded = Loaded(flags, self._flags.where)
        await self._control.start(rules, self._rules.where, flags=loaded, seen_revision=seen, former=former)
        if faults:
            self._control.refuse(faults)
        self._control.refuse_flags(flag_faults)
        await self._pacer.start()
        self._rules.keep(rules)

    def _refuse(self, why: str) -> int:
        for line in why.splitlines():
            sys.stderr.write(f"shunt: {line}\n")
        sys.stderr.flush()
        return 2

    async def _seen_revision(self) -> int:
        """The highest revision that a living worker has: counting goes on from there, never back."""
        if not self._handover.is_first:
            try:
                async with asyncio.timeout(HELLO_SECONDS):
                    await self._workers.wait_greeted(self._handover.workers)
            except TimeoutError:
                _log.warning("not every worker has said hello")
        return self._workers.newest_seen

    def _announce(self) -> None:
        """The one line that says where everything is."""
        given = self._handover
        count = f"{given.workers} worker" + ("s" if given.workers > 1 else "")
        ofrep = f"ofrep {url(given.ofrep)}, " if given.ofrep is not None else ""
        line = (
            f"shunt {__version__} serving on {', '.join(given.listening)}, admin {url(given.admin)}, "
            f"telemetry {url(given.telemetry)}, {ofrep}{count}, revision {self._control.store.revision}\n"
        )
        sys.stdout.write(line)
        sys.stdout.flush()

    # --- the supervisor ----------------------------------------------------------------

    async def _obey(self, said: AsyncIterator[Message]) -> None:
        """Do what the supervisor says, until it says stop or is gone."""
        async for message in said:
            match message.word:
                case "worker":
                    slot, pid = map(int, message.rest)
                    await self._workers.attach(slot, pid, socket.socket(fileno=message.descriptors[0]))
                case "gone" | "left":
                    self._vital_signs.restarts += message.word == "gone"
                    self._totals.leave(int(message.rest[0]))
                case "reload":
                    self._rules.reload()
                    self._flags.reload()
                case "leaving":
                    self._vital_signs.is_leaving = True
                case "yield":
                    await self._lay_down()
                case "resume":
                    await self._sites.open_people(socket.socket(fileno=message.descriptors[0]))
                    self._begin_rule()
                case "kept":
                    self._control.condition.upgrade_fault = message.rest[0]
                case "stop":
                    return
        self._vital_signs.is_leaving = True
        await self._workers.wait_none()

    def _begin_rule(self) -> None:
        assert self._group is not None
        chores = (self._control.run(), self._rules.run(), self._flags.run(), self._pacer.run())
        cluster = self._cluster.run(self._control.events)
        self._rule = [self._group.create_task(chore) for chore in (*chores, cluster)]

    async def _lay_down(self) -> None:
        """Change nothing any more: the next brain begins with what was saved last. Metrics and probes go on."""
        for task in self._rule:
            task.cancel()
        await self._pacer.save()
        await self._sites.close_people()
        self._lifeline.tell("yielded")

    def _ask_for_upgrade(self) -> None:
        self._lifeline.tell("upgrade")

    def _kill(self, slot: int, pid: int) -> None:
        self._lifeline.tell("kill", slot, pid)

    def _on_counted(self, slot: int, counters: object) -> None:
        assert isinstance(counters, Delta)
        self._totals.add(slot, counters)

    def _on_seen(self, witness: str, seen: Seen) -> None:
        self._pacer.hear(witness, seen)

    def _busy(self, scope: str) -> str | None:
        return self._pacer.busy(scope)

    def _on_rules(self, rules: Rules) -> None:
        self._totals.use(Names.of(rules))
        self._pacer.wake()
        settle()

    # --- chores ------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._totals.sweep(time.monotonic())

    async def _close(self) -> None:
        self._control.events.close()
        await self._cluster.close()
        await self._sites.close()


async def _live(lifeline: Lifeline) -> int:
    said = words(lifeline)
    handover = await receive(said)
    if handover is None:
        return 0
    logging.basicConfig(level=handover.settings.log.level.upper(), format="shunt: %(levelname)s: %(message)s")
    quieten()
    return await Brain(lifeline, handover).run(said)


def main() -> int:
    """Be the brain at the end of the lifeline whose descriptor is the first argument."""
    leave_signals_to_the_supervisor()
    with closing(Lifeline.from_descriptor(int(sys.argv[1]))) as lifeline:
        return asyncio.run(_live(lifeline))


if __name__ == "__main__":
    sys.exit(main())
