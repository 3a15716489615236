"""How a change is carried out: through the store, onto the disk, to every worker, or not at all."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.control import memory
from proxy.control.dataplanes import CompileFailed, DataPlanes, Receipt
from proxy.control.events import Event, Events
from proxy.control.flag_sets import FlagSets
from proxy.control.state import Json, MemoryState, StateStore
from proxy.errors import Conflict
from proxy.flags.flagset import NO_FLAGS, Sources
from proxy.ledger import By
from proxy.rules import Rules, Service
from proxy.store import Arrived, Change, Changed, Load, LoadFlags, Set, State, Store

_log = logging.getLogger(__name__)

TEND_SECONDS = 1.0
"""How often a colour that is waited for is probed."""


class Finding(NamedTuple):
    """Whether a version has a target that can answer, and why not."""

    is_healthy: bool
    reason: str = ""


HealthProbe = Callable[[Service, str], Awaitable[Finding]]
"""Asked before traffic moves to a version: its health check, else a connect, unless a result under 2 s old exists."""


class Hold(NamedTuple):
    """A hold that is on until `until`, in seconds since the epoch."""

    max_seconds: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the door asks others: is a version well, is a rollout running, what time is it."""

    probe: HealthProbe
    busy: Callable[[str], str | None] = lambda _: None
    """Why a scope must be left alone by `weight` and `switch` (a rollout runs there); None when it may be changed."""
    upgrade: Callable[[], None] | None = None
    """Asks for new code to take over; None where there is no supervisor to ask."""
    wall: Callable[[], float] = time.time
    """Seconds since the epoch, for the ledger."""
    steady: Callable[[], float] = time.monotonic
    """Seconds that never jump, for bounds."""


@dataclass(slots=True)
class Condition:
    """How the rules file and the state file are doing, for status and readiness."""

    faults: tuple[str, ...] = ()
    """Every fault of the present rules file; the last good rules are in force."""
    flag_faults: tuple[str, ...] = ()
    """Every fault of the present flag files; the last good flags are in force."""
    state_fault: str = ""
    """Why the state cannot be saved."""
    state_lost: tuple[str, ...] = ()
    """What the state file had lost at the start."""
    holds: dict[str, Hold] = field(default_factory=dict)
    generation: int = 1
    """How often this instance was upgraded, and one."""
    upgrade_fault: str = ""
    """Why the last upgrade was not made."""


class Former(NamedTuple):
    """What was in force when the control plane was last here, as the files had it."""

    rules: Rules | None = None
    flags: Sources | None = None


class Loaded(NamedTuple):
    """Feature flags and where they were found."""

    flags: Sources
    source: str


NOTHING = Loaded(NO_FLAGS, "")
NOBODY = Former()


class Changes:
    """Files and rollouts change traffic here, people by way of `Control`; one at a time."""

    def __init__(
        self,
        planes: DataPlanes,
        surroundings: Surroundings,
        state: StateStore | None = None,
        flags: FlagSets | None = None,
    ) -> None:
        self.planes = planes
        self.flags = flags or FlagSets()
        self.around = surroundings
        self.store = Store(surroundings.wall)
        self.events = Events()
        self.condition = Condition()
        self._state = state or MemoryState()
        self._token = ""
        self._rollouts: Json = None
        self._door = asyncio.Lock()

    async def start(
        self,
        rules: Rules,
        source: str,
        *,
        flags: Loaded = NOTHING,
        seen_revision: int = 0,
        former: Former = NOBODY,
    ) -> Receipt:
        """Find the state again and publish rules and flags.

        `seen_revision` is the highest that any worker has; `former` is what was in force, for one that comes back
        after a crash: when it is still the same, so are revision and ledger.
        """
        found = await self._state.load()
        remembered = memory.remember(found.sections)
        self._token = found.token
        self._rollouts = remembered.rollouts
        self.condition.state_lost = (*found.lost, *remembered.lost)
        for lost in self.condition.state_lost:
            _log.warning("state lost at the start: %s", lost)
        known = flags.flags if former.flags is None else former.flags
        self.store = Store(self.around.wall, remembered.kept, remembered.ledger, rules=former.rules, flags=known)
        self.store.skip_to(seen_revision)
        receipt = await self.reload(rules, source)
        receipt = await self.reload_flags(*flags) or receipt
        return receipt or await self._publish(self.store.state)

    # --- files ---------------------------------------------------------------------------

    async def reload(self, rules: Rules, source: str) -> Receipt | None:
        """Put new rules in force; None when they change nothing. A dead colour is waited for."""
        by = By("file", f"load {source}")
        async with self._door:
            staying = []
            for move in self.store.colour_moves(rules):
                finding = await self.around.probe(rules.services[move.scope.partition("/")[0]], move.wanted)
                if not finding.is_healthy:
                    staying.append((move.scope, move.former))
            changed, receipt = await self._apply(Load(rules, tuple(staying)), by)
        self._faults(())
        return receipt if changed else None

    async def reload_flags(self, flags: Sources, source: str) -> Receipt | None:
        """Put new feature flags in force; None when they change nothing."""
        async with self._door:
            changed, receipt = await self._apply(LoadFlags(flags), By("file", f"load {source}"))
        self.refuse_flags(())
        return receipt if changed else None

    def refuse_flags(self, faults: Sequence[str]) -> None:
        """The flag files are broken: the last good flags stay in force, and everybody can see why."""
        if tuple(faults) != self.condition.flag_faults:
            self.condition.flag_faults = tuple(faults)
            self._tell("flags", {"valid": not faults, "faults": list(faults)})

    def refuse(self, faults: Sequence[str]) -> None:
        """The rules file is broken: the last good rules stay in force, and everybody can see why."""
        self._faults(tuple(faults))

    async def tend(self) -> None:
        """Look once after colours that are waited for, and after holds that have ended by themselves."""
        now = self.around.wall()
        for name in [name for name, hold in self.condition.holds.items() if hold.until <= now]:
            del self.condition.holds[name]
            self._tell("release", {"service": name, "who": "its own end"})
        for move in self.store.waiting():
            service = self.store.state.rules.services[move.scope.partition("/")[0]]
            if (await self.around.probe(service, move.wanted)).is_healthy:
                by = By("file", f"{move.wanted} is healthy: {move.scope} moves from {move.former}")
                try:
                    async with self._door:
                        await self._apply(Arrived(move.scope), by)
                except CompileFailed as failure:
                    _log.error("%s: %s", by.what, failure)

    async def run(self) -> None:
        """Tend for as long as the control plane lives."""
        while True:
            await self.tend()
            await asyncio.sleep(TEND_SECONDS)

    async def refresh(self) -> None:
        """Publish the present rules once more, for what lies behind them, such as a name's addresses, has changed."""
        async with self._door:
            if self.store.revision:
                await self._publish(self.store.state)

    # --- rollouts ------------------------------------------------------------------------

    @property
    def rollouts(self) -> Json:
        """The rollouts' own section of the state, as it was saved last."""
        return self._rollouts

    async def keep_rollouts(self, section: Json, by: By | None = None, service: str = "") -> None:
        """Save the rollouts' own section; `by` writes into the ledger who made it so."""
        async with self._door:
            self._rollouts = section
            if by is not None:
                self.store.note(by, (service,))
            await self._save()

    async def step(self, change: Set, by: By, section: Json) -> Receipt | None:
        """A rollout's step through the same door, saved together with its section; None when no weight changes."""
        async with self._door:
            self._rollouts = section
            changed, receipt = await self._apply(change, by)
            if changed is None:
                await self._save()
            return receipt

    # --- the door ------------------------------------------------------------------------

    async def _apply(
        self, change: Change, by: By, expecting: int | None = None
    ) -> tuple[Changed | None, Receipt | None]:
        changed = self.store.apply(change, by, expecting=expecting)
        if changed is None:
            return None, None
        # Saved before it is published: a crash in between never uses a revision twice.
        await self._save()
        try:
            receipt = await self._publish(changed.after)
        except CompileFailed as failure:
            former = self.store.restore(changed, str(failure))
            await self._save()
            await self._publish(former)
            raise
        self._tell("change", {"who": by.who, "what": by.what, "services": list(changed.entry.services)})
        _log.info("revision %d: %s", changed.after.revision, _words(by))
        return changed, receipt

    async def _publish(self, state: State) -> Receipt:
        await self.flags.use(state.effective_flags)
        return await self.planes.publish(state.revision, state.effective, state.effective_flags)

    async def _note(self, verb: str, by: By, service: str = "") -> None:
        """Write down and tell what makes no new table."""
        async with self._door:
            self.store.note(by, (service,) if service else ())
            await self._save()
        self._tell(verb, {"service": service, "who": by.who})
        _log.info("%s", _words(by))

    async def _save(self) -> None:
        """Write the state down; that it cannot be written stops no change, but is shown until it can."""
        sections = memory.sections(self.store.kept(), self.store.ledger, self._rollouts)
        try:
            self._token = await self._state.save(sections, self._token)
            self.condition.state_fault = ""
        except (OSError, Conflict) as error:
            self.condition.state_fault = f"the state is not saved: {error}"

    def _faults(self, faults: tuple[str, ...]) -> None:
        if faults != self.condition.faults:
            self.condition.faults = faults
            self._tell("rules", {"valid": not faults, "faults": list(faults)})

    def _tell(self, name: str, value: Json) -> None:
        self.events.emit(Event(name, self.store.revision, value))


def _words(by: By) -> str:
    """What was done, by whom and why, as one line: a reason in several must not look like several entries."""
    words = f"{by.what}, by {by.who}{': ' if by.why else ''}{by.why}"
    return "".join(letter if letter.isprintable() else " " for letter in words)
