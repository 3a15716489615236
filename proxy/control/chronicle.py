"""The chronicle: every rollout as a section of the state, so that no restart skips, repeats or forgives anything."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast

from pydantic import TypeAdapter, ValidationError

from proxy.analysis.judge import Judge
from proxy.analysis.judge import State as JudgeState
from proxy.control.state import Json
from proxy.rollout.course import Course
from proxy.rollout.measurement import MetricRun
from proxy.rollout.programme import Programme
from proxy.rollout.report import Basis, Line, Report
from proxy.rollout.state import Phase, Rollout

_LINES = TypeAdapter(list[Line])
_REPORTS = TypeAdapter(list[Report])
_BASIS = TypeAdapter(Basis | None)
_log = logging.getLogger(__name__)


def written(course: Course) -> Json:
    """The course as plain values."""
    return cast(
        Json,
        {
            "rollout": course.rollout.as_json(),
            "judge": course.judge.state(),
            "runs": {name: run.as_json() for name, run in course.runs.items()},
            "step_runs": {name: run.as_json() for name, run in course.step_runs.items()},
            "gates": dict(course.gates),
            "hold": course.hold,
            "lines": _LINES.dump_python(course.lines, mode="json"),
            "basis": _BASIS.dump_python(course.basis, mode="json"),
            "forgotten": course.forgotten,
            "closed": _REPORTS.dump_python([course.closed] if course.closed else [], mode="json"),
            "past": _REPORTS.dump_python(course.past, mode="json"),
        },
    )


def read(scope: str, kept: Json, programme: Programme) -> Course | None:
    """The course that was written; None, and a word in the log, when another release wrote it."""
    try:
        return _read(scope, cast(Mapping[str, dict[str, object]], kept), programme)
    except (ValidationError, ValueError, TypeError, KeyError, IndexError) as fault:
        _log.error("the rollout of %s cannot be read back and begins again: %s", scope, fault)
        return None


def _read(scope: str, kept: Mapping[str, dict[str, object]], programme: Programme) -> Course:
    closed = _REPORTS.validate_python(kept["closed"])
    course = Course(
        scope=scope,
        programme=programme,
        rollout=Rollout.from_json(kept["rollout"]),
        judge=Judge.restore(cast(JudgeState, kept["judge"]), programme.analysis),
        runs=_runs(kept["runs"]),
        step_runs=_runs(kept["step_runs"]),
        gates={gate: bool(answer) for gate, answer in kept["gates"].items()},
        hold=str(kept["hold"]),
        lines=_LINES.validate_python(kept["lines"]),
        basis=_BASIS.validate_python(kept["basis"]),
        forgotten=int(str(kept["forgotten"])),
        closed=closed[0] if closed else None,
        past=_REPORTS.validate_python(kept["past"]),
    )
    rollout = course.rollout
    if rollout.held and rollout.phase is Phase.RUNNING and not course.hold:
        course.hold = "lost"
    return course


def _runs(kept: Mapping[str, object]) -> dict[str, MetricRun]:
    return {name: MetricRun.from_json(cast(dict[str, object], run)) for name, run in kept.items()}
