"""The rivals: Flagger's rule and a pooled z-test every minute, on the traffic that the judge sees."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

FLAGGER_SUCCESS_RATE = 0.99
FLAGGER_THRESHOLD = 5
Z_ONE_PERCENT = 2.326


class Minute(NamedTuple):
    """Requests and errors of both arms in one minute."""

    stable: int
    stable_failed: int
    candidate: int
    candidate_failed: int


def flagger_rolls_back(minutes: Sequence[Minute]) -> bool:
    """Flagger's `request-success-rate` of 99 % over 1-min intervals, five failed checks in all."""
    failed_checks = sum(
        minute.candidate > 0 and 1 - minute.candidate_failed / minute.candidate < FLAGGER_SUCCESS_RATE
        for minute in minutes
    )
    return failed_checks >= FLAGGER_THRESHOLD


def z_test_rolls_back(minutes: Sequence[Minute]) -> bool:
    """A pooled two-sample z-test of all that was seen so far, one-sided at 1 %, looked at every minute."""
    sums = [0, 0, 0, 0]
    for minute in minutes:
        sums = [mine + more for mine, more in zip(sums, minute, strict=True)]
        if _z(*sums) > Z_ONE_PERCENT:
            return True
    return False


def _z(stable: int, stable_failed: int, candidate: int, candidate_failed: int) -> float:
    if not stable or not candidate or not stable_failed + candidate_failed:
        return 0.0
    pooled = (stable_failed + candidate_failed) / (stable + candidate)
    spread = sqrt(pooled * (1 - pooled) * (1 / stable + 1 / candidate))
    return (candidate_failed / candidate - stable_failed / stable) / spread if spread else 0.0
