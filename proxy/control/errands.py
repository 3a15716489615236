"""Errands: what a rollout wants of the world, done beside it: measurements, hooks, holds, notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.control.door import Control
from proxy.control.hooks import Hooks, Unheard
from proxy.control.measuring import NotMeasured, measure
from proxy.control.state import Json
from proxy.errors import ShuntError
from proxy.ledger import By
from proxy.rollout.course import Course
from proxy.rollout.measurement import MetricRun, begun, failed_to_measure, measured
from proxy.rollout.state import GUARDED, Hold
from proxy.strategies.progressive import Metric, Webhook

AGAIN_SECONDS = 5.0
"""When a gate that is closed, or a hook that nobody answered, is asked again."""
POLL_SECONDS = 10.0
"""How often the hooks `rollout` and `rollback` are asked while a candidate has traffic."""
MOST_UNHEARD = 4
"""So often in a row the hook `rollout` may go unanswered, as a metric's consecutiveErrorLimit."""


class Place(NamedTuple):
    """Where a rollout is: an answer that comes after it has left is nobody's."""

    key: str
    started: float
    attempt: int
    step: int
    epoch: int


def place_of(course: Course) -> Place:
    """Where the rollout is now."""
    rollout = course.rollout
    return Place(rollout.key, rollout.started, rollout.attempt, rollout.step, rollout.epoch)


class Errands:
    """One control plane's errands. Every answer goes into the course it is for, and `wake` is called."""

    def __init__(self, group: asyncio.TaskGroup, hooks: Hooks, control: Control, wake: Callable[[], None]) -> None:
        self._group = group
        self._hooks = hooks
        self._control = control
        self._wake = wake
        self._running: set[tuple[str, str]] = set()
        self._polled: dict[tuple[str, str], float] = {}
        self._unheard: dict[tuple[str, str], int] = {}

    @property
    def lost(self) -> int:
        """Notifications that nobody got."""
        return self._hooks.lost

    # --- measuring -----------------------------------------------------------------------

    def run_due(self, course: Course, now: float) -> None:
        """Take the measurements and ask the hooks whose time has come."""
        if course.rollout.phase not in GUARDED:
            return
        for metric, runs in course.metrics():
            run = runs.setdefault(metric.name, begun(metric, now))
            errand = (course.scope, f"metric {id(runs)} {metric.name}")
            if run.is_due(now) and errand not in self._running:
                self._running.add(errand)
                self._group.create_task(self._measure(errand, metric, runs))
        for kind in ("rollout", "rollback"):
            self._poll_if_due(course, kind, now)

    async def _measure(self, errand: tuple[str, str], metric: Metric, runs: dict[str, MetricRun]) -> None:
        try:
            result = await measure(self._hooks.session, metric.provider)
            runs[metric.name] = measured(metric, runs[metric.name], result, self._control.around.wall())
        except NotMeasured as fault:
            runs[metric.name] = failed_to_measure(metric, runs[metric.name], str(fault), self._control.around.wall())
        finally:
            self._running.discard(errand)
        self._wake()

    # --- hooks ---------------------------------------------------------------------------

    def ask(self, course: Course, gate: str) -> None:
        """Ask the gate until it says yes, or the rollout has moved on."""
        self._group.create_task(self._ask(course, gate, place_of(course)))

    async def _ask(self, course: Course, gate: str, place: Place) -> None:
        while place_of(course) == place:
            try:
                passes = await self._hooks.pass_(_of_kind(course, gate), self._said(course))
            except Unheard as fault:
                passes, course.remark = None, str(fault)
            # Only `pre-rollout` is an exam: the others are doors that somebody will open.
            if passes or (passes is False and gate == "pre-rollout"):
                if place_of(course) == place:
                    course.gates[gate] = passes
                    self._wake()
                return
            await asyncio.sleep(AGAIN_SECONDS)

    def _poll_if_due(self, course: Course, kind: str, now: float) -> None:
        errand = (course.scope, kind)
        is_due = not 0 <= now - self._polled.get(errand, 0.0) < POLL_SECONDS
        if kind not in course.programme.gates or not is_due or errand in self._running or not course.rollout.weight:
            return
        self._polled[errand] = now
        self._running.add(errand)
        self._group.create_task(self._poll(course, kind, errand))

    async def _poll(self, course: Course, kind: str, errand: tuple[str, str]) -> None:
        before = course.rollout
        try:
            passes = await self._hooks.pass_(_of_kind(course, kind), self._said(course))
            self._unheard.pop(errand, None)
        except Unheard as fault:
            course.remark = str(fault)
            unheard = self._unheard[errand] = self._unheard.get(errand, 0) + 1
            if kind != "rollout" or unheard <= MOST_UNHEARD:
                return
            passes = False
        finally:
            self._running.discard(errand)
        if (before.key, before.started) == (course.rollout.key, course.rollout.started):
            course.gates[kind] = passes
            self._wake()

    # --- holds ---------------------------------------------------------------------------

    def hold(self, course: Course, hold: Hold) -> None:
        """Hold the service, run the hook, release it."""
        self._group.create_task(self._hold(course, hold, place_of(course)))

    async def _hold(self, course: Course, hold: Hold, place: Place) -> None:
        service, bound = course.scope.partition("/")[0], hold.max_seconds
        by = By("rollout", f"hold {service} for at most {bound:g} s")
        until = self._control.around.steady() + bound
        ended = "failed"
        try:
            answer = await self._control.hold(service, by, max_seconds=bound, for_seconds=bound, wait=bound)
            left = until - self._control.around.steady()
            if answer.complete and (not hold.hook or (left > 0 and await self._run_hook(course, hold.hook, left))):
                ended = "done"
        except ShuntError as fault:
            course.remark = str(fault)
        finally:
            await self._control.release(service, by)
        if place_of(course) == place:
            course.hold = ended
            self._wake()

    async def _run_hook(self, course: Course, hook: str, left_seconds: float) -> bool:
        """Whether the hook, a URL or the name of a webhook, says yes in the time that is left."""
        named = next((each for each in course.programme.webhooks if each.name == hook), None)
        url = named.url if named is not None else hook
        once = Webhook(name=hook, type="event", url=url, timeout=left_seconds, retries=0)
        return await self._hooks.ask(once, self._said(course))

    # --- telling -------------------------------------------------------------------------

    def tell(self, course: Course, said: Mapping[str, Json], *, is_over: bool) -> None:
        """Tell everybody whom the rules name; nobody is waited for."""
        kinds = ("event", "post-rollout") if is_over else ("event",)
        hooks = [hook for hook in course.programme.webhooks if hook.type in kinds]
        self._hooks.tell([*course.programme.notify, *hooks], {**said, "when": self._control.around.wall()})

    def _said(self, course: Course) -> dict[str, Json]:
        rollout = course.rollout
        return {
            "name": course.scope,
            "phase": str(rollout.phase),
            "revision": self._control.store.revision,
            "release": rollout.release,
            "stable": rollout.stable,
            "candidate": rollout.candidate,
            "step": rollout.step,
            "weight": rollout.weight,
        }


def _of_kind(course: Course, kind: str) -> list[Webhook]:
    return [hook for hook in course.programme.webhooks if hook.type == kind]
