"""Latency: who is slow? Bets on the arm of slow and of fast answers, at three quantiles of stable's past."""

from __future__ import annotations

from functools import lru_cache
from math import log

from proxy.analysis.tally import CANDIDATE, QUANTILES, STABLE, Strata

GRIDS: dict[float, tuple[float, ...]] = {
    0.5: (1.1, 1.25, 1.5, 1.9),
    0.9: (1.25, 1.5, 2.0, 3.0, 5.0, 9.0),
    0.99: (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 90.0),
}
"""How many times as often as stable the candidate is said to be slow, by quantile."""

SHARES = tuple(1 / len(QUANTILES) / len(GRIDS[quantile]) for quantile in QUANTILES for _ in GRIDS[quantile])
"""The prior: the quantiles share evenly, then the components of each."""

Bet = tuple[float, float, float, float]


@lru_cache(maxsize=256)
def bets(weight: float) -> tuple[tuple[Bet, ...], ...]:
    """By quantile, per component: the log factors of slow by (stable, candidate), then fast by (stable, candidate)."""
    return tuple(tuple(_bet(weight, quantile, often) for often in GRIDS[quantile]) for quantile in QUANTILES)


def _bet(weight: float, quantile: float, slow: float) -> Bet:
    fast = (1 - slow * (1 - quantile)) / quantile
    fair_slow = log(weight * slow + 1 - weight)
    fair_fast = log(weight * fast + 1 - weight)
    return (-fair_slow, log(slow) - fair_slow, -fair_fast, log(fast) - fair_fast)


def log_sums(strata: Strata) -> list[float]:
    """The sum of every component over all strata; weights of 0 and 1 tell nothing."""
    sums = [0.0] * len(SHARES)
    for weight, tally in strata.items():
        if not 0 < weight < 1:
            continue
        index = 0
        for slow, fast, components in zip(tally.slow, tally.fast, bets(weight), strict=True):
            slow_stable, slow_candidate, fast_stable, fast_candidate = slow[STABLE], slow[CANDIDATE], *fast
            for if_slow_stable, if_slow_candidate, if_fast_stable, if_fast_candidate in components:
                sums[index] += (
                    slow_stable * if_slow_stable
                    + slow_candidate * if_slow_candidate
                    + fast_stable * if_fast_stable
                    + fast_candidate * if_fast_candidate
                )
                index += 1
    return sums
