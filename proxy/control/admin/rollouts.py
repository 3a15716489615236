"""Rollouts on the desk: what runs where, what was seen of it, and the verbs that move it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import Field

from proxy.control import verbs
from proxy.control.admin.desk import Desk
from proxy.control.admin.inputs import Change, Input, Scope
from proxy.control.door import Answer
from proxy.control.pacer import Pacer
from proxy.errors import NotFound
from proxy.ledger import By
from proxy.rollout.course import Course
from proxy.rollout.report import Report
from proxy.rollout.state import ACTIVE, Phase
from proxy.rollout.verbs import Verb
from proxy.store import Stale
from proxy.strategies.progressive import Step

TOLERANCE = 1e-9
"""Percentages that differ by less are the same."""


class OneScope(Input):
    """One rollout."""

    scope: Scope


class SomeScope(Input):
    """One rollout, or all."""

    scope: Scope | None = None


class Command(Change):
    """A verb for one rollout."""

    scope: Scope


class Promote(Command):
    """Past the present step, or past all."""

    full: bool = Field(False, description="All traffic at once, past every step and analysis.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """One rollout at a glance; times in seconds since the epoch."""

    scope: str
    phase: str
    release: str
    stable: str
    candidate: str
    attempt: int
    step: int
    steps: tuple[str, ...]
    weight: float
    evidence: float
    threshold: float
    requests: int
    """Of the candidate, since the rollout began."""
    failed: int
    reason: str
    since: float
    """When the present step began."""
    until: float | None
    """When a pause with a duration, or the bake, is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutsView:
    revision: int
    rollouts: tuple[RolloutView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    revision: int
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """Newest first."""

    revision: int
    reports: tuple[Report, ...]


def rollouts(desk: Desk, _: Input) -> RolloutsView:
    courses = desk.pacer.courses() if desk.pacer is not None else ()
    return RolloutsView(revision=desk.control.store.revision, rollouts=tuple(_view(desk, course) for course in courses))


def report(desk: Desk, said: OneScope) -> ReportView:
    return ReportView(revision=desk.control.store.revision, report=_pacer(desk).report(said.scope))


def history(desk: Desk, said: SomeScope) -> HistoryView:
    found = desk.pacer.reports(said.scope) if desk.pacer is not None else []
    return HistoryView(revision=desk.control.store.revision, reports=tuple(found))


def commanding(verb: Verb) -> Callable[[Desk, Command, str], Awaitable[Answer]]:
    """What the verb's operation does."""

    async def act(desk: Desk, said: Command, who: str) -> Answer:
        return await _command(desk, said, verb, who)

    return act


async def promote(desk: Desk, said: Promote, who: str) -> Answer:
    return await _command(desk, said, Verb.PROMOTE_FULL if said.full else Verb.PROMOTE, who)


async def _command(desk: Desk, said: Command, verb: Verb, who: str) -> Answer:
    revision = desk.control.store.revision
    if said.expecting not in (None, revision):
        raise Stale(said.expecting or 0, revision)
    return await _pacer(desk).command(said.scope, verb, By(who, f"rollout {verb} {said.scope}", said.why))


def _pacer(desk: Desk) -> Pacer:
    if desk.pacer is None:
        raise NotFound("nothing is rolled out here")
    return desk.pacer


def _view(desk: Desk, course: Course) -> RolloutView:
    rollout, programme = course.rollout, course.programme
    seen, weight = course.seen, _weight(desk, course)
    since_set = f"the weight was set since: the rollout had left it at {rollout.weight:g} %"
    waits = f"waits for {rollout.waits_for}" if rollout.waits_for else ""
    remarks = (course.remark or rollout.reason or waits, since_set if weight != rollout.weight else "")
    return RolloutView(
        scope=course.scope,
        phase=rollout.phase,
        release=rollout.release,
        stable=rollout.stable,
        candidate=rollout.candidate,
        attempt=rollout.attempt,
        step=rollout.step,
        steps=tuple(map(_told, programme.steps)),
        weight=weight,
        evidence=course.evidence,
        threshold=1 / programme.analysis.alpha,
        requests=seen.candidate,
        failed=seen.candidate_failed,
        reason="; ".join(filter(None, remarks)),
        since=rollout.since,
        until=_until(course),
    )


def _weight(desk: Desk, course: Course) -> float:
    """The candidate's percentage in force; a person may have changed it while nothing runs."""
    rollout, control = course.rollout, desk.control
    if rollout.phase in ACTIVE - {Phase.PAUSED} or rollout.candidate == rollout.stable:
        return rollout.weight
    try:
        policy = verbs.policy_of(control.store.state.effective, course.scope)
    except NotFound:  # Rules without it are in force, and the pacer has not looked yet.
        return rollout.weight
    shares = verbs.shares(policy, control.flags.current)
    present = shares.get(rollout.candidate, 0.0) if shares else rollout.weight
    return rollout.weight if abs(present - rollout.weight) < TOLERANCE else present


def _until(course: Course) -> float | None:
    rollout, steps = course.rollout, course.programme.steps
    if rollout.phase is Phase.BAKING:
        return rollout.since + course.programme.bake_seconds
    pause = steps[rollout.step].pause if rollout.phase is Phase.RUNNING and rollout.step < len(steps) else None
    return rollout.since + pause.duration if pause is not None and pause.duration is not None else None


def _told(step: Step) -> str:
    if step.setWeight is not None:
        return f"setWeight {step.setWeight:g} %"
    if step.pause is not None:
        return "pause" if step.pause.duration is None else f"pause {step.pause.duration:g} s"
    return "analysis" if step.analysis is not None else "hold"
