"""Evidence: half from errors, half from latency; above 1/alpha the candidate is worse.

Within a minute at one weight the order of events does not matter, so the counters of that period are all there
is to log: from them `replay` computes every figure again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict

from proxy.analysis import errors, latency
from proxy.analysis.capital import Capital
from proxy.analysis.tally import Strata, Tally

MINUTE_SECONDS = 60.0


MOST_TOLD = 1e6
"""More evidence than this tells people nothing more."""


def told(total: float) -> str:
    """Evidence as people read it."""
    if total > MOST_TOLD:
        return f"> {MOST_TOLD:,.0f}"
    return f"{total:,.0f}" if total >= 1000 else f"{total:.3g}"


class Weighed(NamedTuple):
    """What the evidence is worth: `total` is compared with 1/alpha."""

    total: float
    errors: float
    latency: float


class Row(TypedDict):
    """One period in the ledger: its counters by stratum, and what the evidence was worth after them."""

    minute: int
    reserve: float
    """What was left to invest by the weight."""
    strata: dict[str, list[int]]
    evidence: list[float]


class State(TypedDict):
    """Evidence as plain values; nothing is lost in a round trip."""

    minute: int
    reserve: float
    errors: list[float]
    latency: list[float]
    strata: dict[str, list[int]]


class Evidence:
    """The capital of both kinds and the counters of the present period."""

    __slots__ = ("_errors", "_latency", "_ratio", "_strata")

    def __init__(self, tolerated_ratio: float) -> None:
        self._ratio = tolerated_ratio
        self._errors = Capital(errors.SHARES)
        self._latency = Capital(latency.SHARES)
        self._strata: dict[float, Tally] = {}

    @property
    def minute(self) -> int:
        """The minute of the rollout that is being counted; 0 before the first."""
        return self._errors.minute

    @property
    def reserve(self) -> float:
        """What is left to invest when larger weights come."""
        return self._errors.reserve

    def stratum(self, weight: float) -> Tally:
        """The counters of this period under that weight, to be added to."""
        found = self._strata.get(weight)
        if found is None:
            found = self._strata[weight] = Tally()
        return found

    def begin(self, minute: int, reserve: float) -> Row | None:
        """Close the present period and start a later one; its ledger row, or None when it counted nothing."""
        if minute <= self.minute and reserve >= self.reserve:
            return None
        row = self.row() if self._strata else None
        self._errors.fold(errors.log_sums(self._strata, self._ratio))
        self._latency.fold(latency.log_sums(self._strata))
        self._strata = {}
        self._errors.begin(minute, reserve)
        self._latency.begin(minute, reserve)
        return row

    def weigh(self) -> Weighed:
        """What all that was counted until now is worth."""
        by_errors = self._errors.worth(errors.log_sums(self._strata, self._ratio))
        by_latency = self._latency.worth(latency.log_sums(self._strata))
        return Weighed((by_errors + by_latency) / 2, by_errors, by_latency)

    def row(self) -> Row:
        """The present period as it stands."""
        return Row(minute=self.minute, reserve=self.reserve, strata=_flat(self._strata), evidence=list(self.weigh()))

    def state(self) -> State:
        """Everything, as plain values."""
        return State(
            minute=self.minute,
            reserve=self.reserve,
            errors=list(self._errors.stakes),
            latency=list(self._latency.stakes),
            strata=_flat(self._strata),
        )

    @classmethod
    def restore(cls, state: State, tolerated_ratio: float) -> Evidence:
        """The evidence that `state` described: a restart is not a second chance."""
        evidence = cls(tolerated_ratio)
        evidence._errors = Capital(errors.SHARES, state["errors"], state["minute"], state["reserve"])
        evidence._latency = Capital(latency.SHARES, state["latency"], state["minute"], state["reserve"])
        evidence._strata = _read(state["strata"])
        return evidence


class Replayed(NamedTuple):
    """One row of a ledger, beside what its counters say."""

    minute: int
    logged: Weighed
    recomputed: Weighed

    @property
    def deviation(self) -> float:
        """The largest relative difference; 0 when the ledger tells the truth."""
        return max(abs(a - b) / max(abs(b), 1.0) for a, b in zip(self.logged, self.recomputed, strict=True))


def replay(rows: Iterable[Row], tolerated_ratio: float, start: State | None = None) -> Iterator[Replayed]:
    """Compute every row's evidence again from the logged counters, from the beginning or a logged state."""
    evidence = Evidence.restore(start, tolerated_ratio) if start else Evidence(tolerated_ratio)
    for row in rows:
        evidence.begin(row["minute"], row["reserve"])
        evidence._strata = _read(row["strata"])
        total, by_errors, by_latency = row["evidence"]
        yield Replayed(row["minute"], Weighed(total, by_errors, by_latency), evidence.weigh())


def advanced(row: Row, tolerated_ratio: float, start: State | None = None) -> State:
    """The state after one more row: a ledger that forgets its oldest row begins there, and still can be recomputed."""
    evidence = Evidence.restore(start, tolerated_ratio) if start else Evidence(tolerated_ratio)
    evidence.begin(row["minute"], row["reserve"])
    evidence._strata = _read(row["strata"])
    return evidence.state()


def _flat(strata: Strata) -> dict[str, list[int]]:
    return {repr(weight): tally.flat() for weight, tally in strata.items()}


def _read(strata: Mapping[str, Sequence[int]]) -> dict[float, Tally]:
    return {float(weight): Tally.of(counts) for weight, counts in strata.items()}
