"""Errors: whose was it? Under the null an error is the candidate's with probability at most q(weight, r0).

Each component bets that the candidate fails g times as often as the tolerance allows. Successes cost
nothing, a spike in both arms cancels out, a new weight is just another coin.
"""

from __future__ import annotations

from functools import lru_cache
from math import log

from proxy.analysis.tally import CANDIDATE, STABLE, Strata

GRID = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
SHARES = (1 / len(GRID),) * len(GRID)
"""The prior: every component starts with the same money."""


def share_of_errors(weight: float, ratio: float) -> float:
    """q(w, r): the candidate's share of all errors if it fails `ratio` times as often as stable."""
    return weight * ratio / (weight * ratio + 1 - weight)


@lru_cache(maxsize=256)
def bets(weight: float, tolerated_ratio: float) -> tuple[tuple[float, float], ...]:
    """Per component the log of what an error of (stable, candidate) multiplies its money by."""
    fair = share_of_errors(weight, tolerated_ratio)
    found = []
    for worse in GRID:
        claimed = share_of_errors(weight, tolerated_ratio * worse)
        found.append((log((1 - claimed) / (1 - fair)), log(claimed / fair)))
    return tuple(found)


def log_sums(strata: Strata, tolerated_ratio: float) -> list[float]:
    """S_j of every component over all strata; weights of 0 and 1 tell nothing."""
    sums = [0.0] * len(GRID)
    for weight, tally in strata.items():
        by_stable, by_candidate = tally.errors[STABLE], tally.errors[CANDIDATE]
        if not (by_stable or by_candidate) or not 0 < weight < 1:
            continue
        for index, (stable, candidate) in enumerate(bets(weight, tolerated_ratio)):
            sums[index] += by_stable * stable + by_candidate * candidate
    return sums
