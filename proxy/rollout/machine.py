"""The machine: what time and evidence do to a rollout. Pure; a tick that comes twice does nothing twice."""

from __future__ import annotations

from dataclasses import replace

from proxy.analysis.evidence import told
from proxy.analysis.finding import Decision, decide
from proxy.rollout.measurement import Status
from proxy.rollout.programme import Programme
from proxy.rollout.state import GUARDED, Action, Announce, Ask, Hold, Move, Phase, Readings, Rollout, Turn
from proxy.strategies.progressive import Analysis, HoldStep, Pause

_ENDED_BADLY = (Status.FAILED, Status.ERROR)
_FIRST_GATES = ("confirm-rollout", "pre-rollout")


def advance(rollout: Rollout, now: float, readings: Readings, programme: Programme) -> Turn:
    """Everything that is due: the guards first, then as many steps as can be taken now."""
    if rollout.phase not in GUARDED:
        return rollout, ()
    trouble = _trouble(readings, programme)
    if trouble:
        return fail(rollout, now, trouble, programme)
    if readings.metrics is Status.INCONCLUSIVE and rollout.phase in (Phase.RUNNING, Phase.BAKING):
        return _gated(rollout, f"inconclusive: {readings.metrics_text}")
    actions: list[Action] = []
    for _ in range(len(programme.steps) + 2):
        following, due = _turn(rollout, now, readings, programme)
        actions.extend(due)
        if following == rollout:
            break
        if following.weight != rollout.weight:
            readings = replace(readings, units=0)
        rollout = following
    return rollout, tuple(actions)


def begin(programme: Programme, now: float, *, attempt: int = 1, finished: str = "") -> Turn:
    """A rollout at its first step, with the candidate at 0 %."""
    rollout = replace(_idle(programme, now, finished), phase=Phase.RUNNING, attempt=attempt, started=now)
    return rollout, (Move(0.0), Announce("started", f"{programme.candidate} starts at 0 %"))


def follow(
    rollout: Rollout | None, programme: Programme | None, now: float
) -> tuple[Rollout | None, tuple[Action, ...]]:
    """What new rules make of a rollout. The same key keeps its state, whatever else was edited.

    A new key starts over; back to what was promoted last skips the steps; a candidate that is the stable
    version, or no release at all, leaves nothing to roll out.
    """
    if programme is None:
        return None, ()
    if rollout is not None and rollout.key == programme.key:
        return rollout, ()
    finished = rollout.finished if rollout else ""
    if programme.candidate == programme.stable or not programme.release:
        return _idle(programme, now, finished), (Move(0.0),)
    if finished == programme.key:
        back = replace(_idle(programme, now, finished), phase=Phase.DONE, weight=100.0, ended=now)
        text = f"back to {programme.release}, which was promoted before: its steps are skipped"
        return replace(back, reason=text), (Move(100.0), Announce("promoted", text))
    return begin(programme, now, finished=finished)


def fail(rollout: Rollout, now: float, reason: str, programme: Programme) -> Turn:
    """The candidate was found wanting: it gets nothing from now on, or stays where it is if the rules say freeze."""
    if programme.freezes:
        frozen = replace(rollout, phase=Phase.FROZEN, reason=reason, waits_for="", resumes=None)
        return frozen, (Announce("frozen", reason),)
    return stopped(rollout, now, reason, "rolled back")


def stopped(rollout: Rollout, now: float, reason: str, event: str) -> Turn:
    """The candidate gets nothing, and the steps are back at the first."""
    after = replace(
        rollout,
        phase=Phase.ABORTED,
        weight=0.0,
        step=0,
        since=now,
        weight_since=now,
        pause_seconds=0.0,
        waived=False,
        held=False,
        resumes=None,
        waits_for="",
        reason=reason,
        ended=now,
    )
    return after, (Move(0.0), Announce(event, reason))


def promoted(rollout: Rollout, now: float, reason: str) -> Turn:
    """The candidate answers everything."""
    after = replace(
        rollout,
        phase=Phase.DONE,
        weight=100.0,
        since=now,
        weight_since=now,
        resumes=None,
        waits_for="",
        reason=reason,
        ended=now,
        finished=rollout.key,
    )
    move = (Move(100.0),) if rollout.weight != 100.0 else ()
    return after, (*move, Announce("promoted", reason))


def passed(rollout: Rollout, now: float) -> Rollout:
    """At the next step."""
    return replace(rollout, phase=Phase.RUNNING, step=rollout.step + 1, since=now, held=False, waits_for="", reason="")


def _idle(programme: Programme, now: float, finished: str) -> Rollout:
    return Rollout(
        key=programme.key,
        stable=programme.stable,
        candidate=programme.candidate,
        release=programme.release,
        since=now,
        weight_since=now,
        finished=finished,
    )


def _trouble(readings: Readings, programme: Programme) -> str:
    """What ends a rollout in every state, also while it waits at a gate; "" when nothing does."""
    analysis = programme.analysis
    if analysis.enabled and readings.evidence >= 1 / analysis.alpha:
        return f"the candidate is worse: evidence {told(readings.evidence)} of {1 / analysis.alpha:.0f}"
    if readings.cap:
        return readings.cap
    if readings.metrics in _ENDED_BADLY:
        return readings.metrics_text or f"metrics {readings.metrics}"
    if readings.gates.get("rollback"):
        return "the rollback hook asked for it"
    return "the rollout hook refused" if readings.gates.get("rollout") is False else ""


def _turn(rollout: Rollout, now: float, readings: Readings, programme: Programme) -> Turn:
    """One step further, or the same state when nothing more is due."""
    if rollout.phase is Phase.BAKING:
        if now - rollout.since < programme.bake_seconds:
            return rollout, ()
        return promoted(rollout, now, "all steps done and baked")
    if rollout.phase is not Phase.RUNNING:
        return rollout, ()
    if rollout.step >= len(programme.steps):
        return _finish(rollout, now, readings, programme)
    step = programme.steps[rollout.step]
    if step.setWeight is not None:
        return _set_weight(rollout, step.setWeight, now, readings, programme)
    if step.pause is not None:
        return _pause(rollout, step.pause, now)
    if step.analysis is not None:
        return _analyse(rollout, step.analysis, now, readings, programme)
    return _hold(rollout, step.hold or HoldStep(), now, readings, programme)


def _set_weight(rollout: Rollout, weight: float, now: float, readings: Readings, programme: Programme) -> Turn:
    if weight == rollout.weight:
        return passed(rollout, now), ()
    if weight > rollout.weight:
        waiting = _held_back(rollout, weight, now, readings, programme)
        if waiting is not None:
            return waiting
    return passed(_at(rollout, weight, now), now), (
        Move(weight),
        Announce("weight", f"the candidate gets {weight:g} %"),
    )


def _pause(rollout: Rollout, pause: Pause, now: float) -> Turn:
    if pause.duration is None:
        return _gated(rollout, "waits for promote")
    if now - rollout.since < pause.duration:
        return rollout, ()
    return replace(passed(rollout, now), pause_seconds=rollout.pause_seconds + pause.duration), ()


def _analyse(rollout: Rollout, analysis: Analysis, now: float, readings: Readings, programme: Programme) -> Turn:
    if readings.step_metrics in _ENDED_BADLY:
        return fail(rollout, now, readings.step_metrics_text or f"metrics {readings.step_metrics}", programme)
    if readings.step_metrics is Status.INCONCLUSIVE:
        return _gated(rollout, f"inconclusive: {readings.step_metrics_text}")
    decision = _decision(rollout, analysis, now, readings)
    if decision is Decision.ROLLBACK:
        return fail(rollout, now, f"the candidate is worse: evidence {told(readings.evidence)}", programme)
    if decision is Decision.INCONCLUSIVE:
        return _gated(rollout, "inconclusive: too little traffic to tell")
    is_measured = not analysis.metrics or readings.step_metrics is Status.SUCCESSFUL
    return (passed(rollout, now), ()) if is_measured and decision is Decision.ADVANCE else (rollout, ())


def _hold(rollout: Rollout, hold: HoldStep, now: float, readings: Readings, programme: Programme) -> Turn:
    if not rollout.held:
        return replace(rollout, held=True), (Hold(hold.max, hold.hook),)
    if readings.hold == "done":
        return passed(rollout, now), ()
    if readings.hold == "failed":
        return fail(rollout, now, "the hook of a hold failed", programme)
    if readings.hold == "lost":
        return _gated(rollout, "a restart came into the hold: whether its hook has run is not known")
    return rollout, ()


def _finish(rollout: Rollout, now: float, readings: Readings, programme: Programme) -> Turn:
    waiting = _held_back(rollout, 100.0, now, readings, programme)
    if waiting is not None:
        return waiting
    if programme.bake_seconds and programme.holdback:
        weight = 100.0 - programme.holdback
        baking = replace(_at(rollout, weight, now), phase=Phase.BAKING, since=now, waits_for="", reason="")
        text = f"all steps done; {programme.holdback:g} % stay with stable for {programme.bake_seconds:g} s"
        return baking, (Move(weight), Announce("baking", text))
    return promoted(rollout, now, "all steps done")


def _held_back(rollout: Rollout, weight: float, now: float, readings: Readings, programme: Programme) -> Turn | None:
    """What keeps the candidate from more traffic: too little seen, or a gate; None when nothing does."""
    decision = _decision(rollout, programme.analysis, now, readings)
    if decision is Decision.INCONCLUSIVE:
        return _gated(rollout, "inconclusive: too little traffic to tell")
    if decision is not Decision.ADVANCE:
        return rollout, ()
    for gate in _gates(rollout, weight):
        if gate not in programme.gates or readings.gates.get(gate):
            continue
        if gate == "pre-rollout" and readings.gates.get(gate) is False:
            return fail(rollout, now, "the pre-rollout hook failed", programme)
        is_asked = rollout.waits_for == gate and gate not in readings.gates
        return replace(rollout, waits_for=gate), () if is_asked else (Ask(gate),)
    return None


def _gates(rollout: Rollout, weight: float) -> tuple[str, ...]:
    """The kinds of hook that must pass before the candidate gets that weight."""
    if rollout.weight == 100.0:
        return ()
    first = _FIRST_GATES if rollout.weight == 0.0 else ("confirm-traffic-increase",)
    return (*first, "confirm-promotion") if weight == 100.0 else first


def _decision(rollout: Rollout, analysis: Analysis, now: float, readings: Readings) -> Decision:
    """Whether enough was seen at this weight; nothing is there to see at 0 and at 100 %, and a promote waives it."""
    if rollout.waived or not 0 < rollout.weight < 100:
        return Decision.ADVANCE
    units = readings.units if readings.units_since == rollout.weight_since else 0
    return decide(readings.evidence, analysis, units, now - rollout.weight_since, rollout.pause_seconds)


def _at(rollout: Rollout, weight: float, now: float) -> Rollout:
    return replace(rollout, weight=weight, weight_since=now, pause_seconds=0.0, waived=False)


def _gated(rollout: Rollout, reason: str) -> Turn:
    resumes = Phase.BAKING if rollout.phase is Phase.BAKING else None
    gated = replace(rollout, phase=Phase.GATED, resumes=resumes, reason=reason, waits_for="")
    return gated, (Announce("paused", reason),)
