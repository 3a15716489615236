"""Capital invested over time: a candidate that turns bad late cannot hide behind a healthy past.

A fifth of the capital enters by the clock, a share 1/(m(m+1)) of it when minute m of a rollout begins; the
rest, the reserve, by the weight: whenever a larger one is first heard of, a share of what is left that grows
with it, for it is a new load that turns candidates bad, and the larger the weight the more is at stake. What
is not yet invested is cash. Cash plus invested starts at 1 and is a supermartingale under the null whenever
money is moved without knowing what comes, so (Ville) it ever reaches 1/alpha with probability at most alpha,
however often one looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

BY_CLOCK = 0.2
BY_WEIGHT = 0.8

_MOST = 1e250
_MOST_LOG = 575.0
"""Evidence beyond any doubt is cut off here, before floats overflow."""


def reserve_after(reserve: float, weight: float) -> float:
    """What is left of the reserve when a weight larger than all before begins."""
    return reserve * (0.92 - 0.7 * weight)


class Capital:
    """The money of one evidence, by component, as it stood when the present minute and weight began."""

    __slots__ = ("minute", "reserve", "shares", "stakes")

    def __init__(
        self, shares: Sequence[float], stakes: Sequence[float] = (), minute: int = 0, reserve: float = 1.0
    ) -> None:
        self.shares = tuple(shares)
        self.stakes = list(stakes) or [0.0] * len(self.shares)
        self.minute = minute
        self.reserve = reserve

    @property
    def cash(self) -> float:
        """What is not yet invested."""
        return BY_CLOCK / (self.minute + 1) + BY_WEIGHT * self.reserve

    def begin(self, minute: int, reserve: float) -> None:
        """Invest what is due in this minute and with this reserve; money that was invested stays so."""
        before = self.cash
        self.minute, self.reserve = max(minute, self.minute), min(reserve, self.reserve)
        entering = before - self.cash
        self.stakes = [stake + entering for stake in self.stakes]

    def worth(self, log_sums: Sequence[float]) -> float:
        """Cash plus invested after the events since then."""
        invested = 0.0
        for share, stake, log_sum in zip(self.shares, self.stakes, log_sums, strict=True):
            invested += share * stake * exp(min(log_sum, _MOST_LOG))
        return self.cash + min(invested, _MOST)

    def fold(self, log_sums: Sequence[float]) -> None:
        """Take the events since then into the stakes."""
        self.stakes = [
            min(stake * exp(min(log_sum, _MOST_LOG)), _MOST)
            for stake, log_sum in zip(self.stakes, log_sums, strict=True)
        ]
