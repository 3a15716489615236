"""The pacer: looks after every rollout once a second and at each of its candidate's errors, and takes what is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from proxy.analysis.witness import Sighting
from proxy.control import chronicle, programmes
from proxy.control.door import Answer, Control
from proxy.control.errands import Errands
from proxy.control.events import Event
from proxy.control.hearing import Hearing, Witnesses
from proxy.control.hooks import Hooks
from proxy.control.state import Json
from proxy.errors import Conflict, NotFound, ShuntError
from proxy.ledger import By
from proxy.processes.channel import Seen
from proxy.rollout import machine
from proxy.rollout.course import Course
from proxy.rollout.programme import Programme
from proxy.rollout.report import Report
from proxy.rollout.state import Action, Announce, Ask, Hold, Move, Phase, Turn
from proxy.rollout.verbs import Verb, command

LOOK_SECONDS = 1.0
SAVE_SECONDS = 10.0
"""How often evidence is written to the disk; the workers keep what they reported since."""
ITSELF = "rollout"
"""Who did it, in the ledger."""
_OVER = ("promoted", "rolled back", "aborted", "undone")

_log = logging.getLogger(__name__)


class Pacer:
    """All rollouts of one control plane. One step at a time; each is on the disk before a worker hears of it."""

    def __init__(self, control: Control, witnesses: Witnesses) -> None:
        self._control = control
        self._witnesses = witnesses
        self._hearing = Hearing(witnesses)
        self._courses: dict[str, Course] = {}
        self._lock = asyncio.Lock()
        self._due = asyncio.Event()
        self._saved_at = 0.0
        self._is_unsaved = False
        self._errands: Errands | None = None

    # --- living --------------------------------------------------------------------------

    async def start(self) -> None:
        """Find all rollouts again where they were, and let the workers report; `run` begins what the rules ask for."""
        kept = self._control.rollouts
        section = kept if isinstance(kept, dict) else {}
        numbers, courses = section.get("numbers"), section.get("courses")
        self._hearing.numbers = {name: int(str(number)) for name, number in _mapping(numbers).items()}
        wanted = programmes.programmes(self._control.store.state.rules)
        for scope, written in _mapping(courses).items():
            if scope in wanted and (course := chronicle.read(scope, written, wanted[scope])) is not None:
                self._courses[scope] = course
        # Told before the workers may report, so that none of them forgets whom it was looking for.
        self._look_for(self._control.around.wall())
        self._witnesses.keep(dict(self._hearing.numbers))

    async def run(self) -> None:
        """Look until cancelled."""
        async with Hooks.open() as hooks, asyncio.TaskGroup() as group:
            self._errands = Errands(group, hooks, self._control, self.wake)
            group.create_task(hooks.run())
            for course in self._courses.values():
                if course.rollout.waits_for:
                    self._errands.ask(course, course.rollout.waits_for)
            while True:
                await self._look_safely()
                try:
                    await asyncio.wait_for(self._due.wait(), LOOK_SECONDS)
                except TimeoutError:
                    continue
                finally:
                    self._due.clear()

    def wake(self) -> None:
        """Look at once."""
        self._due.set()

    async def _look_safely(self) -> None:
        try:
            await self.look()
        except Exception:  # noqa: BLE001 - a defect in judging must not stop the control plane: people can still abort
            _log.exception("looking after the rollouts failed")

    # --- hearing -------------------------------------------------------------------------

    def hear(self, witness: str, seen: Seen) -> None:
        """Take in one report; one that was heard before is left out."""
        if not self._hearing.claim(witness, seen):
            return
        self._is_unsaved = True
        now = self._control.around.wall()
        for sighting in seen.sightings:
            self._hear(sighting, now)

    def _hear(self, sighting: Sighting, now: float) -> None:
        course = self._courses.get(f"{sighting.service}/{sighting.route}" if sighting.route else sighting.service)
        if course is None or not course.is_active or course.rollout.release != sighting.release:
            return
        course.judge.hear(sighting, now)
        if sighting.candidate.failed:
            self.wake()

    # --- looking -------------------------------------------------------------------------

    async def look(self) -> None:
        """Take every step that is due now."""
        async with self._lock:
            now = self._control.around.wall()
            await self._follow_rules(now)
            # Before any weight moves, or the first who get the candidate would be seen by nobody.
            self._look_for(now)
            for course in list(self._courses.values()):
                if course.is_active:
                    await self._look_after(course, now)
            self._look_for(now)
            if self._is_unsaved and not 0 <= now - self._saved_at < SAVE_SECONDS:
                await self._save()

    async def _look_after(self, course: Course, now: float) -> None:
        if self._errands is not None:
            self._errands.run_due(course, now)
        if course.rollout.phase is not Phase.PAUSED:
            await self._restore_weight(course)
        turn = machine.advance(course.rollout, now, course.readings(now), course.programme)
        if turn[0] != course.rollout and await self._may_begin(course, turn) == "":
            await self._carry_out(course, turn, now)

    async def _follow_rules(self, now: float) -> None:
        """Begin, start over or let go of what the rules say otherwise now."""
        wanted = programmes.programmes(self._control.store.state.rules)
        for scope in [scope for scope in self._courses if scope not in wanted]:
            del self._courses[scope]
            self._is_unsaved = True
        for scope, programme in wanted.items():
            course = self._courses.get(scope)
            if course is None:
                await self._meet(scope, programme, now)
            elif course.programme != programme or course.rollout.key != programme.key:
                rollout, actions = machine.follow(course.rollout, programme, now)
                course.use(programme)
                assert rollout is not None
                if rollout != course.rollout:
                    await self._carry_out(course, (rollout, actions), now)

    async def _meet(self, scope: str, programme: Programme, now: float) -> None:
        rollout, actions = machine.follow(None, programme, now)
        assert rollout is not None
        course = self._courses[scope] = Course.begin(scope, programme, (rollout, actions), now)
        await self._act(course, actions, By(ITSELF, f"rollout of {scope}"), 0.0)

    async def _restore_weight(self, course: Course) -> None:
        """What a rollout has set is set again when something else took it away: an edited weight, a failed step."""
        rules, rollout = self._control.store.state.effective, course.rollout
        present = programmes.weight_of(rules, self._control.flags.current, course.scope, rollout.candidate)
        if abs(present - rollout.weight) > 1e-9:
            await self._move(course, rollout.weight, By(ITSELF, f"rollout: {rollout.weight:g} % again"))

    async def _may_begin(self, course: Course, turn: Turn) -> str:
        """Why the candidate must not get its first requests yet; "" when it may."""
        is_first = course.rollout.weight == 0.0 < turn[0].weight
        course.remark = ""
        if is_first:
            rules, flags = self._control.store.state.effective, self._control.flags.current
            if hindrance := programmes.hindrance(rules, flags, course.scope):
                course.remark = hindrance
                return hindrance
            service = rules.services[course.scope.partition("/")[0]]
            found = await self._control.around.probe(service, turn[0].candidate)
            if not found.is_healthy:
                course.remark = f"{turn[0].candidate} has no healthy target: {found.reason or 'no answer'}"
        return course.remark

    # --- acting --------------------------------------------------------------------------

    async def command(self, scope: str, verb: Verb, by: By) -> Answer:
        """Do what a person says, or raise Conflict with the reason why it does not fit."""
        async with self._lock:
            course, now = self.course(scope), self._control.around.wall()
            turn = command(course.rollout, verb, now, course.programme)
            if refused := await self._may_begin(course, turn):
                raise Conflict(f"cannot {verb}: {refused}")
            if turn[0] == course.rollout:
                return Answer(revision=self._control.store.revision, message=f"{by.what}: already so", changed=False)
            await self._carry_out(course, turn, now, by)
            self._look_for(now)
            self.wake()
            return Answer(revision=self._control.store.revision, message=by.what)

    async def _carry_out(self, course: Course, turn: Turn, now: float, by: By | None = None) -> None:
        former = course.rollout.weight
        course.follow(turn, now)
        texts = [action.text for action in turn[1] if isinstance(action, Announce)]
        reason = "; ".join(dict.fromkeys(texts)) or f"step {turn[0].step}"
        await self._act(course, turn[1], by or By(ITSELF, f"rollout {course.scope}: {reason}"), former)

    async def _act(self, course: Course, actions: Sequence[Action], by: By, former: float) -> None:
        """Write the new state down, move the weight, then tell and ask whoever is to be told and asked."""
        weights = [action.weight for action in actions if isinstance(action, Move)]
        if weights:
            await self._move(course, weights[-1], by)
            if former and not weights[-1]:
                self._close_tunnels(course)
        else:
            await self._save(by if by.who != ITSELF else None, course.scope)
        for action in actions:
            if isinstance(action, Announce):
                self._announce(course, action)
            elif self._errands is not None and isinstance(action, Ask):
                self._errands.ask(course, action.gate)
            elif self._errands is not None and isinstance(action, Hold):
                self._errands.hold(course, action)

    async def _move(self, course: Course, weight: float, by: By) -> None:
        change = programmes.move(self._control.store.state.rules, course.scope, course.programme, weight)
        numbers, section = self._section()
        try:
            await self._control.step(change, by, section)
        except ShuntError as fault:
            _log.error("%s: %s", by.what, fault)
        self._witnesses.keep(numbers)

    def _close_tunnels(self, course: Course) -> None:
        service, candidate = course.scope.partition("/")[0], course.rollout.candidate
        if programmes.is_idle(self._control.store.state.effective, self._control.flags.current, service, candidate):
            self._witnesses.close_tunnels(service, candidate)

    def _announce(self, course: Course, said: Announce) -> None:
        rollout, revision = course.rollout, self._control.store.revision
        _log.info("rollout of %s: %s: %s", course.scope, said.event, said.text)
        value: dict[str, Json] = {"name": course.scope, "phase": str(rollout.phase), "event": said.event}
        value |= {"text": said.text, "release": rollout.release, "stable": rollout.stable}
        value |= {"candidate": rollout.candidate, "step": rollout.step, "weight": rollout.weight}
        self._control.events.emit(Event("rollout", revision, value))
        if self._errands is not None:
            self._errands.tell(course, {**value, "revision": revision}, is_over=said.event in _OVER)

    def _look_for(self, now: float) -> None:
        self._hearing.look_for(self._courses.values(), self._control.store.state.rules, now)

    # --- the disk ------------------------------------------------------------------------

    async def save(self) -> None:
        """Write everything down now, for another control plane takes over."""
        async with self._lock:
            await self._save()

    async def _save(self, by: By | None = None, scope: str = "") -> None:
        numbers, section = self._section()
        await self._control.keep_rollouts(section, by, scope.partition("/")[0])
        self._witnesses.keep(numbers)

    def _section(self) -> tuple[dict[str, int], Json]:
        """All rollouts as they are, with the reports that are in them."""
        self._is_unsaved = False
        self._saved_at = self._control.around.wall()
        numbers = dict(self._hearing.numbers)
        courses: dict[str, Json] = {scope: chronicle.written(course) for scope, course in self._courses.items()}
        written: dict[str, Json] = {"numbers": {**numbers}, "courses": courses}
        return numbers, written

    # --- what others see -----------------------------------------------------------------

    def course(self, scope: str) -> Course:
        """The rollout of a scope, or NotFound."""
        course = self._courses.get(scope)
        if course is None:
            known = ", ".join(sorted(self._courses)) or "none"
            raise NotFound(f"nothing is rolled out at {scope}; the scopes with `progressive` are: {known}")
        return course

    def courses(self) -> Sequence[Course]:
        """All rollouts, by scope."""
        return [self._courses[scope] for scope in sorted(self._courses)]

    def report(self, scope: str) -> Report:
        """Everything about a scope's present rollout."""
        return self.course(scope).report(self._control.around.wall())

    def reports(self, scope: str | None = None) -> list[Report]:
        """Present and former rollouts of a scope or of all, newest first."""
        chosen = self.courses() if scope is None else [self.course(scope)]
        now = self._control.around.wall()
        found = [report for course in chosen for report in course.archived(now)]
        return sorted(found, key=lambda report: -report.started)

    def busy(self, scope: str) -> str | None:
        """Why others must leave the scope alone, and what frees it; None when they need not."""
        course = self._courses.get(scope)
        if course is None or not course.is_active or course.rollout.phase is Phase.PAUSED:
            return None
        if course.rollout.phase is Phase.FROZEN:
            return f"{course.rollout.candidate} was judged worse and is frozen at {scope}: abort the rollout first"
        return f"{course.rollout.candidate} is being rolled out at {scope}: pause or abort first"

    @property
    def lost_messages(self) -> int:
        """Notifications that nobody got."""
        return self._errands.lost if self._errands is not None else 0


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
