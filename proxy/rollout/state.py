"""Where a rollout stands: one frozen value, written to disk before anything is done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import NamedTuple

from proxy.rollout.measurement import Status


class Phase(StrEnum):
    """What a rollout is doing."""

    IDLE = "idle"
    """Nothing to roll out: stable answers everything."""
    RUNNING = "running"
    """On a step: a weight to set, a pause to pass, an analysis or a hold to end."""
    GATED = "gated"
    """Waits for a person: a pause without duration, or a question that the numbers cannot answer."""
    PAUSED = "paused"
    """Stopped by a person where it was; its clocks go on."""
    FROZEN = "frozen"
    """Judged worse, kept where it was because the rules say `on_failure: freeze`."""
    BAKING = "baking"
    """All steps done; a holdback stays with stable for a while."""
    ABORTED = "aborted"
    """The candidate gets nothing."""
    DONE = "done"
    """The candidate answers everything."""


GUARDED = frozenset({Phase.RUNNING, Phase.GATED, Phase.PAUSED, Phase.BAKING})
"""Where the evidence, the caps and the metrics can end a rollout: whenever the candidate may have traffic."""

ACTIVE = GUARDED | {Phase.FROZEN}
"""Where `weight` and `switch` are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The state of one rollout. Times are seconds since the epoch, so that clocks go on through a restart."""

    key: str
    stable: str
    candidate: str
    release: str
    phase: Phase = Phase.IDLE
    attempt: int = 1
    """Counts retries; each has evidence of its own, for each is a person's decision."""
    epoch: int = 0
    """Counts the times that background metrics began anew."""
    step: int = 0
    weight: float = 0.0
    """The candidate's percentage now."""
    started: float = 0.0
    since: float = 0.0
    """When the present step, or the bake, began."""
    weight_since: float = 0.0
    pause_seconds: float = 0.0
    """The pauses passed at this weight; the deadline for enough traffic follows from them."""
    waived: bool = False
    """A person has promoted at this weight: the minimum is no longer asked for."""
    held: bool = False
    """The hold of the present step was asked for."""
    resumes: Phase | None = None
    """What a paused or gated rollout goes back to; None: to its step."""
    waits_for: str = ""
    """The gate that has to open before the next step."""
    reason: str = ""
    ended: float | None = None
    finished: str = ""
    """The key of the last rollout that was promoted: going back to it skips the steps."""

    def as_json(self) -> dict[str, object]:
        """Plain values for a state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Rollout:
        """The state that `as_json` wrote; TypeError or ValueError when it did not write it."""
        phase, resumes = values.get("phase"), values.get("resumes")
        plain = {**values, "phase": Phase(str(phase)), "resumes": Phase(str(resumes)) if resumes else None}
        return cls(**plain)  # type: ignore[arg-type]  # the constructor names every key that does not belong


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """All that the machine is told of the world at one tick."""

    evidence: float = 1.0
    units: int = 0
    units_since: float | None = None
    """The `weight_since` that the units belong to; units of another weight do not count."""
    cap: str = ""
    """Which blast-radius cap is passed."""
    metrics: Status = Status.SUCCESSFUL
    """The background metrics of this attempt and epoch."""
    metrics_text: str = ""
    step_metrics: Status = Status.PENDING
    """The metrics of the present analysis step."""
    step_metrics_text: str = ""
    gates: Mapping[str, bool] = field(default_factory=dict)
    """By kind of hook what it answered in the present step; absent: not yet."""
    hold: str = ""
    """How the hold ended: `done`, `failed`, `lost` (a restart came between), or "" while it goes on."""


class Move(NamedTuple):
    """Give the candidate this percentage, on all workers."""

    weight: float


class Announce(NamedTuple):
    """Tell whoever wants to know."""

    event: str
    text: str


class Ask(NamedTuple):
    """Call the hooks of this kind and hand the answer in as a reading."""

    gate: str


class Hold(NamedTuple):
    """Hold the service, run the hook, release it, and hand the end in as a reading."""

    max_seconds: float
    hook: str


Action = Move | Announce | Ask | Hold
Turn = tuple[Rollout, tuple[Action, ...]]
"""The next state, and what to do about it once it is written down."""
