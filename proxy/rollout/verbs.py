"""What each verb does in each state: one table, here and in the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum

from proxy.errors import Conflict
from proxy.rollout.machine import begin, passed, promoted, stopped
from proxy.rollout.programme import Programme
from proxy.rollout.state import Announce, Phase, Rollout, Turn
from proxy.strategies.progressive import Pause


class Verb(StrEnum):
    """What a person may say."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    PROMOTE_FULL = "promote --full"
    ABORT = "abort"
    RETRY = "retry"
    UNDO = "undo"


Deed = Callable[[Rollout, float, Programme], Turn]


def command(rollout: Rollout, verb: Verb, now: float, programme: Programme) -> Turn:
    """What the verb makes of the rollout; raises Conflict with the reason when it does not fit its state."""
    entry = TABLE[rollout.phase][verb]
    if isinstance(entry, str):
        raise Conflict(f"cannot {verb} a rollout that is {rollout.phase}: {entry}")
    return entry(rollout, now, programme)


def start(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """At the first step, at 0 %."""
    if programme.candidate == programme.stable:
        raise Conflict("the candidate is the stable version: nothing to roll out")
    return begin(programme, now, finished=rollout.finished)


def retry(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """At the first step, at 0 %, with new evidence: a person has decided to try again."""
    return begin(programme, now, attempt=rollout.attempt + 1, finished=rollout.finished)


def pause(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """Where it is; clocks and guards go on."""
    text, resumes = "paused by a person", rollout.resumes or rollout.phase
    return replace(rollout, phase=Phase.PAUSED, resumes=resumes, reason=text), (Announce("paused", text),)


def resume(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """Back to what it was doing."""
    back = Phase.BAKING if rollout.resumes is Phase.BAKING else Phase.RUNNING
    return replace(rollout, phase=back, resumes=None, reason=""), (Announce("resumed", f"{back} again"),)


def reconsider(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """Back to an inconclusive step, which may try for as long again; a pause without duration waits on."""
    if rollout.step < len(programme.steps) and programme.steps[rollout.step].pause == Pause():
        raise Conflict("the step waits for promote")
    anew = replace(rollout, weight_since=now, epoch=rollout.epoch + 1, held=False, waits_for="")
    return resume(anew, now, programme)


def promote(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """Past the present step, or the rest of the bake; the minimum of this weight is no longer asked for."""
    if Phase.BAKING in (rollout.phase, rollout.resumes):
        return promoted(rollout, now, "promoted before the bake was over, by a person")
    text = f"promoted past step {rollout.step} by a person"
    waived = replace(
        rollout, phase=Phase.RUNNING, waived=True, resumes=None, waits_for="", reason="", epoch=rollout.epoch + 1
    )
    is_waiting_for_more = rollout.step >= len(programme.steps) or programme.steps[rollout.step].setWeight is not None
    return waived if is_waiting_for_more else passed(waived, now), (Announce("step", text),)


def promote_full(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """All traffic at once, past all steps, pauses and analyses."""
    return promoted(rollout, now, "promoted in full by a person")


def abort(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """Nothing for the candidate, at once; the steps are back at the first."""
    return stopped(rollout, now, "aborted by a person", "aborted")


def undo(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """Back to stable after the fact."""
    return stopped(replace(rollout, finished=""), now, "undone by a person", "undone")


def keep(rollout: Rollout, now: float, programme: Programme) -> Turn:
    """It is so already."""
    return rollout, ()


_RUNS = "it runs already; abort first"
_NOTHING = "nothing is being rolled out"
_OVER = "it is over; `undo` goes back, a new release goes on"
_STOPPED = "it was stopped; `retry` begins again"
_JUDGED = "it was judged worse; `abort` goes back, `retry` begins again, `promote --full` takes the risk"
_FLOWS = "it is not paused"

TABLE: Mapping[Phase, Mapping[Verb, Deed | str]] = {
    Phase.IDLE: {
        Verb.START: start,
        Verb.PAUSE: _NOTHING,
        Verb.RESUME: _NOTHING,
        Verb.PROMOTE: _NOTHING,
        Verb.PROMOTE_FULL: _NOTHING,
        Verb.ABORT: _NOTHING,
        Verb.RETRY: _NOTHING,
        Verb.UNDO: _NOTHING,
    },
    Phase.RUNNING: {
        Verb.START: _RUNS,
        Verb.PAUSE: pause,
        Verb.RESUME: _FLOWS,
        Verb.PROMOTE: promote,
        Verb.PROMOTE_FULL: promote_full,
        Verb.ABORT: abort,
        Verb.RETRY: _RUNS,
        Verb.UNDO: abort,
    },
    Phase.GATED: {
        Verb.START: _RUNS,
        Verb.PAUSE: pause,
        Verb.RESUME: reconsider,
        Verb.PROMOTE: promote,
        Verb.PROMOTE_FULL: promote_full,
        Verb.ABORT: abort,
        Verb.RETRY: _RUNS,
        Verb.UNDO: abort,
    },
    Phase.PAUSED: {
        Verb.START: _RUNS,
        Verb.PAUSE: keep,
        Verb.RESUME: resume,
        Verb.PROMOTE: promote,
        Verb.PROMOTE_FULL: promote_full,
        Verb.ABORT: abort,
        Verb.RETRY: _RUNS,
        Verb.UNDO: abort,
    },
    Phase.FROZEN: {
        Verb.START: _RUNS,
        Verb.PAUSE: _JUDGED,
        Verb.RESUME: _JUDGED,
        Verb.PROMOTE: _JUDGED,
        Verb.PROMOTE_FULL: promote_full,
        Verb.ABORT: abort,
        Verb.RETRY: retry,
        Verb.UNDO: abort,
    },
    Phase.BAKING: {
        Verb.START: _RUNS,
        Verb.PAUSE: pause,
        Verb.RESUME: _FLOWS,
        Verb.PROMOTE: promote,
        Verb.PROMOTE_FULL: promote_full,
        Verb.ABORT: abort,
        Verb.RETRY: _RUNS,
        Verb.UNDO: abort,
    },
    Phase.ABORTED: {
        Verb.START: _STOPPED,
        Verb.PAUSE: _STOPPED,
        Verb.RESUME: _STOPPED,
        Verb.PROMOTE: _STOPPED,
        Verb.PROMOTE_FULL: _STOPPED,
        Verb.ABORT: keep,
        Verb.RETRY: retry,
        Verb.UNDO: _STOPPED,
    },
    Phase.DONE: {
        Verb.START: _OVER,
        Verb.PAUSE: _OVER,
        Verb.RESUME: _OVER,
        Verb.PROMOTE: _OVER,
        Verb.PROMOTE_FULL: keep,
        Verb.ABORT: _OVER,
        Verb.RETRY: _OVER,
        Verb.UNDO: undo,
    },
}


def as_markdown() -> str:
    """The table for the documentation, one row per state."""
    rows = ["| state | " + " | ".join(f"`{verb}`" for verb in Verb) + " |", "|---" * (len(Verb) + 1) + "|"]
    for phase, verbs in TABLE.items():
        cells = [
            f"409: {entry}" if isinstance(entry, str) else (entry.__doc__ or "").rstrip(".") for entry in verbs.values()
        ]
        rows.append(f"| {phase} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
