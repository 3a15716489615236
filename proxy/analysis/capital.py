"""Capital invested over time: a candidate that turns bad late cannot hide behind a healthy past.

When minute m of a rollout begins, a share 1/(m(m+1)) of the capital enters every component; what is not yet
invested is cash, 1/(m+1). Cash plus invested starts at 1 and is a supermartingale under the null, so
(Ville) it ever reaches 1/alpha with probability at most alpha, however often one looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

_MOST = 1e250
_MOST_LOG = 575.0
"""Evidence beyond any doubt is cut off here, before floats overflow."""


class Capital:
    """The money of one evidence, by component, as it stood when the present minute began."""

    __slots__ = ("minute", "shares", "stakes")

    def __init__(self, shares: Sequence[float], stakes: Sequence[float] = (), minute: int = 0) -> None:
        self.shares = tuple(shares)
        self.stakes = list(stakes) or [0.0] * len(self.shares)
        self.minute = minute

    def begin(self, minute: int) -> None:
        """Invest what minutes up to this one bring; an earlier minute than the present changes nothing."""
        if minute > self.minute:
            entering = 1 / (self.minute + 1) - 1 / (minute + 1)
            self.stakes = [stake + entering for stake in self.stakes]
            self.minute = minute

    def worth(self, log_sums: Sequence[float]) -> float:
        """Cash plus invested after the events of this minute so far."""
        invested = 0.0
        for share, stake, log_sum in zip(self.shares, self.stakes, log_sums, strict=True):
            invested += share * stake * exp(min(log_sum, _MOST_LOG))
        return 1 / (self.minute + 1) + min(invested, _MOST)

    def fold(self, log_sums: Sequence[float]) -> None:
        """Take the events of this minute into the stakes."""
        self.stakes = [
            min(stake * exp(min(log_sum, _MOST_LOG)), _MOST)
            for stake, log_sum in zip(self.stakes, log_sums, strict=True)
        ]
