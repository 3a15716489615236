"""A tally: what happened under one weight, by arm. All that evidence is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

STABLE, CANDIDATE = 0, 1
"""The arms; every pair below is (stable's, candidate's)."""

QUANTILES = (0.5, 0.9, 0.99)


class Tally:
    """Integer counters of one stratum; a stratum is a weight, or the coin of an identity that was counted before."""

    __slots__ = ("errors", "fast", "slow", "units")

    def __init__(self) -> None:
        self.units = [0, 0]
        self.errors = [0, 0]
        self.slow = [[0, 0] for _ in QUANTILES]
        self.fast = [[0, 0] for _ in QUANTILES]

    def add(self, other: Tally) -> None:
        """Count the other's counts in."""
        for mine, theirs in zip(self._pairs(), other._pairs(), strict=True):
            mine[0] += theirs[0]
            mine[1] += theirs[1]

    def flat(self) -> list[int]:
        """The counters in a row, for logs and state files."""
        return [count for pair in self._pairs() for count in pair]

    @classmethod
    def of(cls, counts: Sequence[int]) -> Tally:
        """The tally that `flat` wrote; ValueError when the row has another length."""
        tally = cls()
        pairs = tally._pairs()
        if len(counts) != 2 * len(pairs):
            raise ValueError(f"a tally has {2 * len(pairs)} counters, not {len(counts)}")
        for index, pair in enumerate(pairs):
            pair[0], pair[1] = counts[2 * index], counts[2 * index + 1]
        return tally

    def _pairs(self) -> list[list[int]]:
        return [self.units, self.errors, *self.slow, *self.fast]


Strata = Mapping[float, Tally]
"""Tallies by the candidate's share at the assignment."""
