"""Measurements, counted as Argo Rollouts counts them: a metric fails when its failures exceed the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from proxy.strategies.expression import BadExpression, parse
from proxy.strategies.progressive import Metric

ERROR_INTERVAL_SECONDS = 10.0
"""After a measurement that could not be made, as Argo's DefaultErrorRetryInterval."""


class Status(StrEnum):
    """What a metric, or all of them, says; see `WORSE` for the precedence."""

    SUCCESSFUL = "successful"
    RUNNING = "running"
    PENDING = "pending"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAILED = "failed"


WORSE = tuple(Status)
"""From best to worst."""
ENDED = frozenset({Status.SUCCESSFUL, Status.INCONCLUSIVE, Status.ERROR, Status.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRun:
    """The measurements of one metric so far."""

    next_at: float
    status: Status = Status.PENDING
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors: int = 0
    consecutive_errors: int = 0
    text: str = ""
    """What the last measurement was, or why it could not be made."""

    @property
    def count(self) -> int:
        """Measurements that were made; errors are none."""
        return self.successful + self.failed + self.inconclusive

    def is_due(self, now: float) -> bool:
        """Whether it is time for the next measurement."""
        return self.status not in ENDED and now >= self.next_at

    def as_json(self) -> dict[str, object]:
        """Plain values for a state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> MetricRun:
        """The run that `as_json` wrote."""
        return cls(**{**values, "status": Status(str(values["status"]))})  # type: ignore[arg-type]


def begun(metric: Metric, now: float) -> MetricRun:
    """A run that waits for its initial delay."""
    return MetricRun(next_at=now + metric.initialDelay)


def judged(metric: Metric, result: object) -> Status:
    """What the conditions say of a result; raises BadExpression when they have no answer."""
    if metric.failureCondition and parse(metric.failureCondition).holds(result):
        return Status.FAILED
    if not metric.successCondition:
        return Status.SUCCESSFUL
    if parse(metric.successCondition).holds(result):
        return Status.SUCCESSFUL
    return Status.INCONCLUSIVE if metric.failureCondition else Status.FAILED


def measured(metric: Metric, run: MetricRun, result: object, now: float) -> MetricRun:
    """The run after a measurement."""
    try:
        verdict = judged(metric, result)
    except BadExpression as fault:
        return failed_to_measure(metric, run, str(fault), now)
    counted = replace(
        run,
        successful=run.successful + (verdict is Status.SUCCESSFUL),
        failed=run.failed + (verdict is Status.FAILED),
        inconclusive=run.inconclusive + (verdict is Status.INCONCLUSIVE),
        consecutive_errors=0,
        text=f"{result!r:.200}",
        next_at=now + (metric.interval or 0.0),
    )
    return replace(counted, status=_status(metric, counted))


def failed_to_measure(metric: Metric, run: MetricRun, why: str, now: float) -> MetricRun:
    """The run after a measurement that could not be made: an error, never a failure and never a success."""
    counted = replace(
        run,
        errors=run.errors + 1,
        consecutive_errors=run.consecutive_errors + 1,
        text=why,
        next_at=now + ERROR_INTERVAL_SECONDS,
    )
    return replace(counted, status=_status(metric, counted))


def ended(run: MetricRun) -> MetricRun:
    """The run when its rollout no longer needs it: what has not failed until now was successful."""
    return run if run.status in ENDED else replace(run, status=Status.SUCCESSFUL)


def overall(metrics: Sequence[Metric], runs: Mapping[str, MetricRun]) -> tuple[Status, str]:
    """The worst of all metrics that are not dry runs, and which it was."""
    worst, text = Status.SUCCESSFUL, ""
    for metric in metrics:
        run = runs.get(metric.name)
        status = run.status if run else Status.PENDING
        if not metric.dryRun and WORSE.index(status) > WORSE.index(worst):
            worst, text = status, f"metric {metric.name}: {run.text if run else 'not yet measured'}"
    return worst, text


def _status(metric: Metric, run: MetricRun) -> Status:
    if run.failed > metric.failureLimit:
        return Status.FAILED
    if run.inconclusive > metric.inconclusiveLimit:
        return Status.INCONCLUSIVE
    if run.consecutive_errors > metric.consecutiveErrorLimit:
        return Status.ERROR
    wanted = metric.count if metric.count is not None else (None if metric.interval else 1)
    return Status.SUCCESSFUL if wanted is not None and run.count >= wanted else Status.RUNNING
