"""A course: one rollout under way, with its judge, its measurements and all that is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from proxy.analysis.finding import cap_exceeded, look
from proxy.analysis.judge import Judge, Seen
from proxy.rollout.measurement import MetricRun, overall
from proxy.rollout.programme import Programme
from proxy.rollout.report import MINUTE, Basis, Counters, Line, Report
from proxy.rollout.state import ACTIVE, Action, Announce, Phase, Readings, Rollout, Turn
from proxy.strategies.progressive import Analysis, Metric

MOST_LINES = 300
"""Of one report; the evidence of what is forgotten stays in its basis."""
MOST_PAST = 5
"""Reports of former rollouts that are kept by scope."""


@dataclass(slots=True, kw_only=True)
class Course:
    """What is known of one scope's rollout. It decides nothing and touches nothing."""

    scope: str
    programme: Programme
    rollout: Rollout
    judge: Judge
    runs: dict[str, MetricRun] = field(default_factory=dict)
    """Background metrics of this attempt and epoch."""
    step_runs: dict[str, MetricRun] = field(default_factory=dict)
    """Metrics of the present analysis step."""
    gates: dict[str, bool] = field(default_factory=dict)
    hold: str = ""
    evidence: float = 1.0
    """As it was when the machine was last told."""
    remark: str = ""
    """Why the next step is not taken though it is due."""
    lines: list[Line] = field(default_factory=list)
    basis: Basis | None = None
    forgotten: int = 0
    closed: Report | None = None
    """The report once the rollout is over: from then on nothing is judged."""
    past: list[Report] = field(default_factory=list)

    @classmethod
    def begin(cls, scope: str, programme: Programme, turn: Turn, now: float, former: Course | None = None) -> Course:
        """What `follow` made of new rules, with the history of what was there before."""
        course = cls(scope=scope, programme=programme, rollout=turn[0], judge=Judge(programme.analysis, now))
        if former is not None:
            course.past = former._left_for(turn[0], now)
        course._write(turn[1], now)
        course._close(now)
        return course

    @property
    def is_active(self) -> bool:
        """Whether it decides who gets how much."""
        return self.rollout.phase in ACTIVE

    @property
    def inline(self) -> Analysis | None:
        """The analysis of the present step, if that is what it does."""
        rollout, steps = self.rollout, self.programme.steps
        if rollout.phase is not Phase.RUNNING or rollout.step >= len(steps):
            return None
        return steps[rollout.step].analysis

    @property
    def seen(self) -> Seen:
        """The requests that were judged, also when it is over."""
        if self.closed is None or not self.closed.lines:
            return self.judge.requests
        last = self.closed.lines[-1]
        return Seen(last.requests[0], last.failed[0], last.requests[1], last.failed[1])

    # --- what the machine is told ------------------------------------------------------------

    def readings(self, now: float) -> Readings:
        """All that was seen until now."""
        rollout, analysis, judge = self.rollout, self.programme.analysis, self.judge
        judge.enter(rollout.weight_since)
        self.evidence = judge.weigh(now).total
        self._take_rows(now)
        background, inline = analysis.metrics, self.inline.metrics if self.inline else ()
        metrics, metrics_text = overall(background, self.runs)
        step_metrics, step_text = overall(inline, self.step_runs)
        return Readings(
            evidence=self.evidence,
            units=judge.units,
            units_since=rollout.weight_since,
            cap=cap_exceeded(analysis, judge.requests.candidate_failed, judge.failed_identities),
            metrics=metrics,
            metrics_text=metrics_text,
            step_metrics=step_metrics,
            step_metrics_text=step_text,
            gates=self.gates,
            hold=self.hold,
        )

    def metrics(self) -> Sequence[tuple[Metric, dict[str, MetricRun]]]:
        """Every metric that is wanted now, with the runs that it belongs to."""
        wanted = [(metric, self.runs) for metric in self.programme.analysis.metrics]
        return [*wanted, *((metric, self.step_runs) for metric in (self.inline.metrics if self.inline else ()))]

    # --- what the machine has said -----------------------------------------------------------

    def follow(self, turn: Turn, now: float) -> None:
        """Be where the machine says, and forget what belonged to the place before."""
        before, rollout = self.rollout, turn[0]
        if (rollout.key, rollout.attempt, rollout.started) != (before.key, before.attempt, before.started):
            self._begin_anew(rollout, now)
        self.rollout = rollout
        if rollout.step != before.step:
            self.gates, self.step_runs, self.hold = {}, {}, ""
        if rollout.epoch != before.epoch:
            self.runs, self.step_runs = {}, {}
        self._write(turn[1], now)
        self._close(now)

    def use(self, programme: Programme) -> None:
        """Go on under edited rules."""
        if programme.analysis != self.programme.analysis:
            self.judge = Judge.restore(self.judge.state(), programme.analysis)
        self.programme = programme

    def _begin_anew(self, rollout: Rollout, now: float) -> None:
        self.past = self._left_for(rollout, now)
        self.judge = Judge(self.programme.analysis, rollout.started)
        self.runs, self.step_runs, self.gates, self.hold = {}, {}, {}, ""
        self.lines, self.basis, self.forgotten, self.closed = [], None, 0, None
        self.evidence, self.remark = 1.0, ""

    def _left_for(self, following: Rollout, now: float) -> list[Report]:
        """The past with this rollout in it, ended at the latest now: what was overtaken runs no longer."""
        past = self.archived(now)
        if not self.rollout.started or self.closed is not None:
            return past
        if following.key == self.rollout.key:
            why = "begun again"
        else:
            why = (
                f"overtaken by {following.release or following.candidate}"
                if following.started or following.ended
                else "no longer asked for"
            )
        reason = "; ".join(filter(None, (past[-1].reason, why)))
        return [*past[:-1], replace(past[-1], phase=Phase.ABORTED, ended=now, reason=reason)]

    def archived(self, now: float) -> list[Report]:
        """The past with this rollout in it, if there was one."""
        return [*self.past, self.report(now)][-MOST_PAST:] if self.rollout.started else self.past

    # --- what people are told ----------------------------------------------------------------

    def report(self, now: float) -> Report:
        """Everything until now."""
        if self.closed is not None:
            return self.closed
        rollout, analysis = self.rollout, self.programme.analysis
        found = look(
            self.judge,
            analysis,
            now,
            since=rollout.weight_since,
            pause=rollout.pause_seconds,
            freezes=self.programme.freezes,
        )
        self._take_rows(now)
        return Report(
            scope=self.scope,
            release=rollout.release,
            stable=rollout.stable,
            candidate=rollout.candidate,
            attempt=rollout.attempt,
            phase=rollout.phase,
            step=rollout.step,
            steps=len(self.programme.steps),
            weight=rollout.weight,
            reason=self.remark or rollout.reason,
            started=rollout.started,
            ended=rollout.ended,
            alpha=analysis.alpha,
            error_ratio=analysis.error_ratio,
            evidence=found.evidence.total,
            verdict=found.text if rollout.started else "",
            metrics={metric.name: _told(runs.get(metric.name)) for metric, runs in self.metrics()},
            forgotten=self.forgotten,
            basis=self.basis,
            lines=tuple(self.lines),
        )

    def _close(self, now: float) -> None:
        """A rollout that is over needs its judge no more: who it knew is forgotten, the report stays."""
        if self.closed is not None:
            rollout = self.rollout
            ended = replace(self.closed, phase=rollout.phase, weight=rollout.weight, reason=rollout.reason)
            self.closed = replace(ended, ended=rollout.ended, lines=tuple(self.lines))
        elif not self.is_active and self.rollout.started:
            self.closed = self.report(now)
            self.judge = Judge(self.programme.analysis, now)

    def _write(self, actions: Sequence[Action], now: float) -> None:
        """A line for each announcement, with the counters that it rests on."""
        said = [action for action in actions if isinstance(action, Announce)]
        if said and self.closed is None:
            self._take_rows(now)
        for action in said:
            counters = Counters.of(self.judge.row()) if self.closed is None else None
            self._add(action.event, action.text, now, counters)

    def _take_rows(self, now: float) -> None:
        for row in self.judge.take_rows():
            self._add(MINUTE, "", now, Counters.of(row))

    def _add(self, event: str, text: str, now: float, counters: Counters | None) -> None:
        seen = self.seen
        self.lines.append(
            Line(
                when=now,
                event=event,
                text=text,
                step=self.rollout.step,
                weight=self.rollout.weight,
                requests=(seen.stable, seen.candidate),
                failed=(seen.stable_failed, seen.candidate_failed),
                counters=counters,
            )
        )
        while len(self.lines) > MOST_LINES:
            oldest = self.lines.pop(0)
            self.forgotten += 1
            if oldest.counters is not None:
                self.basis = Basis.after(oldest.counters, self.programme.analysis.error_ratio, self.basis)


def _told(run: MetricRun | None) -> str:
    if run is None:
        return "not yet measured"
    counts = f"{run.successful} good, {run.failed} bad, {run.inconclusive} unclear, {run.errors} not made"
    return f"{run.status} ({counts}){': ' if run.text else ''}{run.text}"
