"""Latency in log buckets: an exact count of what was slower than any bucket's edge."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate

_FASTEST_SECONDS = 50e-6
_PER_OCTAVE = 16
_OCTAVES = 22

EDGES: tuple[float, ...] = tuple(_FASTEST_SECONDS * 2 ** (step / _PER_OCTAVE) for step in range(_OCTAVES * _PER_OCTAVE))
"""50 µs to 200 s, 4.4 % apart. Bucket b holds EDGES[b-1] < x <= EDGES[b], so "above edge t" is "bucket > t"."""

BUCKETS = len(EDGES) + 1

Sparse = Mapping[int, int]
"""Counts by bucket, without the empty ones."""


def bucket_of(seconds: float) -> int:
    """The bucket of a latency."""
    return bisect_left(EDGES, seconds)


def sparse(counts: Sequence[int]) -> dict[int, int]:
    """Only the buckets that counted something."""
    return {bucket: count for bucket, count in enumerate(counts) if count}


class History:
    """Stable's latencies, newer ones weighing more, from which the thresholds are read."""

    __slots__ = ("counts", "fresh")

    def __init__(self, counts: Sequence[float] = ()) -> None:
        self.counts = array("d", counts or [0.0] * BUCKETS)
        self.fresh = 0
        """Samples since the last `age`."""

    @property
    def total(self) -> float:
        """All samples, aged ones by what they still weigh."""
        return sum(self.counts)

    def add(self, samples: Sparse) -> None:
        """Count more of stable's samples."""
        for bucket, count in samples.items():
            self.counts[bucket] += count
            self.fresh += count

    def quantile(self, share: float) -> int:
        """The first bucket at whose edge at least `share` of the samples are no slower."""
        wanted = share * self.total
        return next((bucket for bucket, seen in enumerate(accumulate(self.counts)) if seen >= wanted), BUCKETS - 1)

    def age(self) -> None:
        """Halve what is known, so that a drift of the traffic is followed."""
        self.counts = array("d", (count / 2 for count in self.counts))
        self.fresh = 0
