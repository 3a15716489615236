"""The brain: knows the rules, lets changes in by one door, and may crash without anybody noticing."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from proxy import __version__
from proxy.config import Faults, Source
from proxy.config import rules as read_rules
from proxy.config.files import is_rules_name
from proxy.control.addresses import text_of
from proxy.control.admin.guard import TOKEN_ENVIRONMENT, find_token
from proxy.control.admin.operations import Desk
from proxy.control.admin.server import Admin
from proxy.control.changes import Former, Loaded, Surroundings
from proxy.control.cluster import Cluster
from proxy.control.dataplanes import CompileFailed
from proxy.control.door import Control
from proxy.control.flag_files import FlagFiles, lines
from proxy.control.flag_sets import FlagSets
from proxy.control.handover import Handover, receive, words
from proxy.control.held_state import HeldState
from proxy.control.lookout import Lookout
from proxy.control.malformed import quieten
from proxy.control.ofrep import Access, Ofrep
from proxy.control.pacer import Pacer
from proxy.control.rollout_metrics import rollout_metrics
from proxy.control.state import FileState
from proxy.control.telemetry import Readiness, Telemetry
from proxy.control.watcher import watch_rules
from proxy.control.workers import Workers
from proxy.errors import Invalid, ShuntError
from proxy.kubernetes.precedence import Superseded
from proxy.observe.metrics import Collector, Vitals
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
CLOSE_SECONDS = 2.0
"""How long answers of the admin API may take when the brain leaves."""

_log = logging.getLogger("shunt.brain")


class Brain:
    """One life of the control plane."""

    def __init__(self, lifeline: Lifeline, handover: Handover) -> None:
        self._lifeline = lifeline
        self._handover = handover
        self._settings = handover.settings
        self._totals = Totals()
        self._lookout = Lookout(self._settings.dns)
        self._workers = Workers(self._kill, self._on_counted, self._lookout.survey, self._on_seen)
        state = FileState(self._settings.state) if self._settings.state else HeldState(handover.state)
        around = Surroundings(probe=self._lookout.probe, busy=self._busy, upgrade=self._ask_for_upgrade)
        self._control = Control(self._workers, around, state, FlagSets(handover.flags.write))
        self._control.condition.generation = handover.generation
        self._pacer = Pacer(self._control, self._workers)
        self._runners: list[web.AppRunner] = []
        self._admin_runner: web.AppRunner | None = None
        self._group: asyncio.TaskGroup | None = None
        self._rule: list[asyncio.Task[None]] = []
        """What changes traffic by itself; laid down when another brain takes over."""
        self._reloads: Counter[str] = Counter()
        self._restarts = 0
        self._started = time.time()
        self._is_leaving = False
        self._cluster = Cluster(self._settings, os.environ)
        followed = self._settings.kubernetes.rules
        self._told_rules = self._cluster.follow(followed, read_rules, self._take, is_rules_name)
        guarded = self._told_rules.guarded(read_rules) if self._told_rules else read_rules
        self._watcher = watch_rules(Path(self._settings.rules), self._take, guarded)
        self._flags = FlagFiles(self._settings, self._control, self._cluster)

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
            if not self._handover.is_upgrade:
                await self._serve(self._telemetry().app(), self._handover.telemetry)
            rules, faults = await self._first_rules()
            former = Former(self._former_rules(), await self._control.flags.find_again(self._handover.flags.read()))
            flags, flag_faults = await self._flags.first(former.flags)
            seen = await self._seen_revision()
            loaded = Loaded(flags, self._flags.where)
            await self._control.start(rules, self._settings.rules, flags=loaded, seen_revision=seen, former=former)
            if faults:
                self._control.refuse(faults)
            self._control.refuse_flags(flag_faults)
            await self._pacer.start()
            self._remember(rules)
            await self._serve_applications()
            if not self._handover.is_upgrade:
                await self._serve_people()
            async with asyncio.timeout(START_SECONDS):
                await self._workers.wait_serving(self._handover.workers)
            if self._handover.is_upgrade:
                await self._serve(self._telemetry().app(), self._handover.telemetry)
                await self._serve_people()
        except ShuntError as fault:
            return self._refuse(str(fault))
        except TimeoutError:
            return self._refuse("the workers did not take the first table in time")
        for warning in (*await self._watcher.warnings(), *await self._flags.warnings()):
            _log.warning("%s", warning)
        self._lifeline.tell("serving")
        if self._handover.is_first:
            self._announce()
        return 0

    def _refuse(self, why: str) -> int:
        for line in why.splitlines():
            sys.stderr.write(f"shunt: {line}\n")
        sys.stderr.flush()
        return 2

    async def _first_rules(self) -> tuple[Rules, Sequence[str]]:
        """The rules of the file; for a brain that came back to a broken one, the last good rules and its faults."""
        try:
            told = await self._told_rules.first() if self._told_rules else None
            return told or await self._watcher.first(), ()
        except Invalid as faults:
            former = self._former_rules()
            if former is None:
                raise
            return former, lines(faults)

    def _former_rules(self) -> Rules | None:
        """The last good rules of a brain that was here before."""
        kept = self._handover.rules.read()
        rules = pickle.loads(kept) if kept else None
        assert rules is None or isinstance(rules, Rules)
        return rules

    async def _seen_revision(self) -> int:
        """The highest revision that a living worker has: counting goes on from there, never back."""
        if not self._handover.is_first:
            try:
                async with asyncio.timeout(HELLO_SECONDS):
                    await self._workers.wait_greeted(self._handover.workers)
            except TimeoutError:
                _log.warning("not every worker has said hello")
        return self._workers.newest_seen

    def _admin(self) -> Admin:
        token = find_token(self._settings.admin_token_file, os.environ.get(TOKEN_ENVIRONMENT, ""))
        desk = Desk(
            control=self._control,
            check=_check,
            snapshot=self._totals.snapshot,
            health=self._lookout.health,
            pacer=self._pacer,
        )
        return Admin(desk, text_of(self._handover.admin), token)

    def _telemetry(self) -> Telemetry:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(self))
        return Telemetry(text_of(self._handover.telemetry), registry, self._readiness)

    async def _serve_applications(self) -> None:
        """Answer OFREP where the settings ask for flags."""
        if self._handover.ofrep is not None:
            key = find_token(self._settings.ofrep_key_file, "", "ofrep_key_file")
            access = Access(key=key, per_second=self._settings.ofrep_per_second)
            ofrep = Ofrep(lambda: self._control.flags.history, access, now=time.monotonic, wall_clock=time.time)
            await self._serve(ofrep.app(), self._handover.ofrep)

    async def _serve_people(self) -> None:
        self._admin_runner = await self._serve(self._admin().app(), self._handover.admin)

    async def _serve(self, app: web.Application, listener: socket.socket) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        self._runners.append(runner)
        return runner

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
                    self._restarts += message.word == "gone"
                    self._totals.leave(int(message.rest[0]))
                case "reload":
                    self._watcher.reload()
                    self._flags.reload()
                case "leaving":
                    self._is_leaving = True
                case "yield":
                    await self._lay_down()
                case "resume":
                    self._handover = self._handover._replace(admin=socket.socket(fileno=message.descriptors[0]))
                    await self._serve_people()
                    self._begin_rule()
                case "kept":
                    self._control.condition.upgrade_fault = message.rest[0]
                case "stop":
                    return
        self._is_leaving = True
        await self._workers.wait_none()

    def _begin_rule(self) -> None:
        assert self._group is not None
        chores = (self._control.run(), self._watcher.run(), self._flags.run(), self._pacer.run())
        cluster = self._cluster.run(self._control.events)
        self._rule = [self._group.create_task(chore) for chore in (*chores, cluster)]

    async def _lay_down(self) -> None:
        """Change nothing any more: the next brain begins with what was saved last. Metrics and probes go on."""
        for task in self._rule:
            task.cancel()
        await self._pacer.save()
        runner, self._admin_runner = self._admin_runner, None
        if runner is not None:
            await runner.cleanup()
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

    # --- the rules ---------------------------------------------------------------------

    async def _take(self, found: Rules | Invalid) -> None:
        """Put the file's rules in force, or keep the last good ones and say what is wrong."""
        if isinstance(found, Superseded):
            _log.info("%s", found)
            return
        if isinstance(found, Invalid):
            self._reject(found)
            return
        try:
            receipt = await self._control.reload(found, self._settings.rules)
        except CompileFailed as fault:
            self._reject(fault)
            return
        self._reloads["applied" if receipt else "unchanged"] += 1
        self._remember(found)
        self._pacer.wake()

    def _reject(self, fault: ShuntError) -> None:
        self._reloads["rejected"] += 1
        self._control.refuse(lines(fault))
        for line in lines(fault):
            _log.error("%s", line)

    def _remember(self, rules: Rules) -> None:
        self._handover.rules.write(pickle.dumps(rules, protocol=5))
        self._totals.use(Names.of(rules))
        settle()

    # --- what others see ---------------------------------------------------------------

    def _readiness(self) -> Readiness:
        reasons = []
        if self._is_leaving:
            reasons.append("shunt is leaving")
        if not self._workers.count_serving():
            reasons.append("no worker serves")
        condition = self._control.condition
        remarks = (*condition.faults, *condition.flag_faults, *self._lookout.faults(), *self._cluster.faults())
        return Readiness(is_ready=not reasons, reasons=reasons, remarks=remarks)

    def metrics(self) -> Iterator[Metric]:
        """One scrape."""
        state, condition = self._control.store.state, self._control.condition
        vitals = Vitals(
            rules_valid=not condition.faults,
            flags_valid=not condition.flag_faults,
            flags=len(self._control.flags.current.flags),
            flag_reloads=dict(self._flags.reloads),
            revision=state.revision,
            reloads=dict(self._reloads),
            worker_revisions={worker.slot: worker.revision for worker in self._workers.workers()},
            worker_restarts=self._restarts,
            healthy=self._lookout.verdicts(),
            overrides=len(state.overrides),
            started=self._started,
        )
        yield from Collector(self._totals.snapshot(), vitals).collect()
        yield from rollout_metrics(self._pacer.courses(), self._pacer.lost_messages)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._totals.sweep(time.monotonic())

    async def _close(self) -> None:
        self._control.events.close()
        await self._cluster.close()
        for runner in self._runners:
            await runner.cleanup()


class _Scrape:
    """What prometheus_client asks."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def collect(self) -> Iterator[Metric]:
        return self._brain.metrics()


def _check(text: str, name: str) -> Sequence[str]:
    """The faults of a rules text that somebody thinks of using."""
    try:
        read_rules([Source(name, text.encode())])
    except Faults as faults:
        return lines(faults)
    return ()


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
