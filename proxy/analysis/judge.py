"""The judge: one per rollout, hears what all workers saw, and says what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypedDict

from proxy.analysis import evidence, identities
from proxy.analysis.capital import reserve_after
from proxy.analysis.evidence import MINUTE_SECONDS, Evidence, Row, Weighed
from proxy.analysis.histogram import History, Sparse
from proxy.analysis.identities import Identities
from proxy.analysis.tally import CANDIDATE, QUANTILES, STABLE, Tally
from proxy.analysis.witness import ERROR, WAITED, ArmCounts, Item, Sighting
from proxy.strategies.progressive import Analysis

ENOUGH_FOR_THRESHOLDS = 200
ENOUGH_TO_REFRESH = 500
MAX_ROWS = 60
"""Closed minutes kept until somebody takes them; a ledger that nobody reads loses its oldest."""


class Seen(NamedTuple):
    """Plain sums, for people and caps."""

    stable: int = 0
    stable_failed: int = 0
    candidate: int = 0
    candidate_failed: int = 0


class State(TypedDict):
    """A judge as plain values."""

    started: float
    exposed: float | None
    highest: float
    evidence: evidence.State
    identities: identities.State
    history: list[float]
    fresh: int
    thresholds: list[int]
    totals: dict[str, list[int]]
    requests: list[int]
    step: float
    units: int
    step_requests: list[int]


class Judge:
    """Is the candidate of one rollout worse? Clocks are seconds since the epoch, so a restart keeps the time."""

    __slots__ = (
        "_evidence",
        "_exposed",
        "_highest",
        "_history",
        "_identities",
        "_requests",
        "_rows",
        "_settings",
        "_started",
        "_step",
        "_step_requests",
        "_thresholds",
        "_totals",
        "_units",
    )

    def __init__(self, settings: Analysis, started: float) -> None:
        self._settings = settings
        self._started = started
        self._exposed: float | None = None
        self._highest = 0.0
        self._evidence = Evidence(settings.error_ratio)
        self._identities = Identities()
        self._history = History()
        self._thresholds: tuple[int, ...] = ()
        self._totals: dict[float, Tally] = {}
        self._requests = Seen()
        self._rows: list[Row] = []
        self._step = started
        self._units = 0
        self._step_requests = Seen()

    # --- what it is told ------------------------------------------------------------------

    def learn(self, past: Sparse) -> None:
        """Take in latencies of stable from before the rollout, by bucket."""
        self._history.add(past)
        if not self._thresholds and self._history.total >= ENOUGH_FOR_THRESHOLDS:
            self._refresh()

    def enter(self, since: float) -> None:
        """Count units for the step that began then; the same step twice changes nothing."""
        if since != self._step:
            self._step, self._units, self._step_requests = since, 0, Seen()

    def hear(self, sighting: Sighting, now: float) -> None:
        """Take in what one worker saw since it last said; what it says was already known is left out."""
        self._turn(now, sighting.weight)
        stable, candidate = sighting.stable, sighting.candidate
        if self._exposed is None and candidate.requests:
            self._exposed = now
        heard = (stable.requests, stable.failed, candidate.requests, candidate.failed)
        self._requests = _plus(self._requests, heard)
        self._step_requests = _plus(self._step_requests, heard)
        if self._settings.enabled and 0 < sighting.weight < 1:
            self._count(sighting, now)
        self.learn(stable.samples)
        self.learn(sighting.past)

    # --- what it says ---------------------------------------------------------------------

    @property
    def requests(self) -> Seen:
        """All requests since the rollout began."""
        return self._requests

    @property
    def step_requests(self) -> Seen:
        """Requests since the present step began."""
        return self._step_requests

    @property
    def units(self) -> int:
        """Candidate requests, or identities, that counted in the present step."""
        return self._units

    @property
    def failed_identities(self) -> int:
        """Identities that the candidate failed at least once."""
        return self._identities.failed

    @property
    def accepted(self) -> int:
        """Below which hash identities are of interest; for the workers' watches."""
        return self._identities.accepted

    @property
    def totals(self) -> Mapping[float, Tally]:
        """All counters of the rollout by stratum."""
        return self._totals

    def is_timing(self, now: float) -> bool:
        """Whether latency counts: stable's past is known, and the candidate has had its time to warm up.

        Workers are told by `Watch.is_timing`, for who was heard too early must be heard again.
        """
        is_warm = self._exposed is not None and now >= self._exposed + self._settings.warm_up
        return is_warm and bool(self._thresholds)

    def weigh(self, now: float) -> Weighed:
        """What the evidence is worth now."""
        self._turn(now)
        return self._evidence.weigh()

    def take_rows(self) -> list[Row]:
        """The closed minutes since the last call, for the ledger."""
        rows, self._rows = self._rows, []
        return rows

    def row(self) -> Row:
        """The present minute as it stands: the last row of a ledger that a verdict ends."""
        return self._evidence.row()

    # --- how it survives ------------------------------------------------------------------

    def state(self) -> State:
        """Everything, as plain values for a JSON file."""
        return State(
            started=self._started,
            exposed=self._exposed,
            highest=self._highest,
            evidence=self._evidence.state(),
            identities=self._identities.state(),
            history=list(self._history.counts),
            fresh=self._history.fresh,
            thresholds=list(self._thresholds),
            totals={repr(weight): tally.flat() for weight, tally in self._totals.items()},
            requests=list(self._requests),
            step=self._step,
            units=self._units,
            step_requests=list(self._step_requests),
        )

    @classmethod
    def restore(cls, state: State, settings: Analysis) -> Judge:
        """The judge that `state` described, with all it knew: starting afresh would be a second chance."""
        judge = cls(settings, state["started"])
        judge._exposed, judge._highest = state["exposed"], state["highest"]
        judge._evidence = Evidence.restore(state["evidence"], settings.error_ratio)
        judge._identities = Identities.restore(state["identities"])
        judge._history = History(state["history"])
        judge._history.fresh = state["fresh"]
        judge._thresholds = tuple(state["thresholds"])
        judge._totals = {float(weight): Tally.of(counts) for weight, counts in state["totals"].items()}
        judge._requests = Seen(*state["requests"])
        judge._step, judge._units = state["step"], state["units"]
        judge._step_requests = Seen(*state["step_requests"])
        return judge

    # --- counting -------------------------------------------------------------------------

    def _turn(self, now: float, weight: float = 0.0) -> None:
        """Close the period that is over; thresholds follow stable's latency from minute to minute."""
        minute = max(0, int((now - self._started) // MINUTE_SECONDS)) + 1
        is_next_minute = minute > self._evidence.minute
        is_growing = self._highest < weight < 1
        if not is_next_minute and not is_growing:
            return
        self._highest = max(self._highest, weight)
        reserve = self._evidence.reserve
        row = self._evidence.begin(minute, reserve_after(reserve, weight) if is_growing else reserve)
        if row is not None:
            self._rows = [*self._rows, row][-MAX_ROWS:]
        if is_next_minute and self._history.fresh >= ENOUGH_TO_REFRESH:
            self._refresh()

    def _refresh(self) -> None:
        self._thresholds = tuple(self._history.quantile(share) for share in QUANTILES)
        self._history.age()

    def _count(self, sighting: Sighting, now: float) -> None:
        seen = Tally()
        with_latency = self.is_timing(now)
        for arm, counts in ((STABLE, sighting.stable), (CANDIDATE, sighting.candidate)):
            seen.units[arm] = counts.drawn
            seen.errors[arm] = counts.drawn_failed
            if with_latency:
                self._sort(seen, arm, counts)
        if seen.units[STABLE] or seen.units[CANDIDATE]:
            self._units += seen.units[CANDIDATE]
            self._add(sighting.weight, seen)
        for item in sighting.items:
            self._hear_item(item, sighting.weight, with_latency=with_latency)

    def _sort(self, seen: Tally, arm: int, counts: ArmCounts) -> None:
        """Slow and fast by each threshold; a wait that ended below it tells nothing."""
        for slow, fast, threshold in zip(seen.slow, seen.fast, self._thresholds, strict=True):
            above = sum(count for bucket, count in counts.samples.items() if bucket > threshold)
            slow[arm] += above + sum(count for bucket, count in counts.waited.items() if bucket > threshold)
            fast[arm] += sum(counts.samples.values()) - above

    def _hear_item(self, item: Item, weight: float, *, with_latency: bool) -> None:
        arm = CANDIDATE if item.is_candidate else STABLE
        is_new = self._identities.is_first_seen(item.identity, weight)
        self._units += is_new and item.is_candidate
        if item.event != ERROR and not with_latency:
            return
        coin = self._identities.coin(item.identity, weight, item.event, is_candidate=item.is_candidate)
        if coin is not None:
            seen = self._sorted(item, arm)
            seen.units[arm] = int(is_new)
            self._add(coin, seen)

    def _sorted(self, item: Item, arm: int) -> Tally:
        seen = Tally()
        if item.event == ERROR:
            seen.errors[arm] = 1
            return seen
        has_waited = item.event >= WAITED
        bucket = item.event - WAITED if has_waited else item.event
        for slow, fast, threshold in zip(seen.slow, seen.fast, self._thresholds, strict=True):
            slow[arm] = int(bucket > threshold)
            fast[arm] = int(bucket <= threshold and not has_waited)
        return seen

    def _add(self, weight: float, seen: Tally) -> None:
        self._evidence.stratum(weight).add(seen)
        self._totals.setdefault(weight, Tally()).add(seen)


def _plus(sums: Seen, more: tuple[int, int, int, int]) -> Seen:
    return Seen(*(mine + theirs for mine, theirs in zip(sums, more, strict=True)))
