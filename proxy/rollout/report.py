"""The report: what was seen, what it was worth, what followed; every figure in it can be computed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from proxy.analysis import evidence
from proxy.analysis.evidence import Row, State

MINUTE = "minute"
"""The event of a line that only closes a minute."""
ROLLED_BACK = ("rolled back", "frozen")
PRECISION = 1e-9
"""How far a recomputed figure may be off, relatively."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What was counted in one minute at one weight, and what all evidence was worth after it."""

    minute: int
    reserve: float
    strata: dict[str, list[int]]
    """By the candidate's share at the assignment: units, errors, slow and fast at each quantile, stable's first."""
    evidence: list[float]
    """The total, of errors, of latency."""

    @classmethod
    def of(cls, row: Row) -> Counters:
        """The counters of a judge's row."""
        return cls(**row)

    def row(self) -> Row:
        """The judge's row again."""
        return Row(minute=self.minute, reserve=self.reserve, strata=self.strata, evidence=self.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Where a report begins whose oldest lines are forgotten."""

    minute: int
    reserve: float
    errors: list[float]
    latency: list[float]
    strata: dict[str, list[int]]

    @classmethod
    def after(cls, counters: Counters, tolerated_ratio: float, former: Basis | None) -> Basis:
        """The basis once these counters are forgotten, too."""
        return cls(**evidence.advanced(counters.row(), tolerated_ratio, former.state() if former else None))

    def state(self) -> State:
        """The same for the evidence."""
        return State(
            minute=self.minute, reserve=self.reserve, errors=self.errors, latency=self.latency, strata=self.strata
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that happened, or a minute that passed."""

    when: float
    """Seconds since the epoch."""
    event: str
    text: str
    step: int
    weight: float
    """The candidate's percentage after it."""
    requests: tuple[int, int]
    """Since the rollout began: stable's and the candidate's."""
    failed: tuple[int, int]
    counters: Counters | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One rollout from its beginning until now."""

    scope: str
    release: str
    stable: str
    candidate: str
    attempt: int
    phase: str
    step: int
    steps: int
    weight: float
    reason: str
    started: float
    ended: float | None
    alpha: float
    error_ratio: float
    evidence: float
    verdict: str
    """What the judge says, in plain words."""
    metrics: dict[str, str]
    """What external metrics say, by name."""
    forgotten: int
    """Lines left out at the beginning."""
    basis: Basis | None
    lines: tuple[Line, ...]


class Recomputed(NamedTuple):
    """One line of a report beside what its counters say."""

    line: Line
    evidence: float
    deviation: float
    has_crossed: bool

    @property
    def is_right(self) -> bool:
        """Whether the line's figures follow from its counters, and a verdict by the evidence from its figures."""
        is_by_evidence = self.line.event in ROLLED_BACK and "evidence" in self.line.text
        return self.deviation <= PRECISION and (self.has_crossed or not is_by_evidence)


def replay(report: Report) -> Iterator[Recomputed]:
    """Compute every figure of a report again from its counters."""
    lines = [(line, line.counters) for line in report.lines if line.counters is not None]
    start = report.basis.state() if report.basis else None
    figures = evidence.replay((counters.row() for _, counters in lines), report.error_ratio, start)
    for (line, _), figure in zip(lines, figures, strict=True):
        total = figure.recomputed.total
        yield Recomputed(line, total, figure.deviation, total >= 1 / report.alpha)
