"""Chance in bulk: whole numbers from a seed, quickly and close enough to exact for ten thousand draws."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from math import erf, log, sqrt
from random import Random

from proxy.analysis.histogram import BUCKETS, EDGES

_FEW = 40


def binomial(dice: Random, trials: int, chance: float) -> int:
    """How many of so many trials succeed; by counting when they are few, else by the normal curve."""
    if chance <= 0 or trials <= 0:
        return 0
    if chance >= 1:
        return trials
    if trials <= _FEW:
        return sum(dice.random() < chance for _ in range(trials))
    if trials * chance < _FEW:
        return min(trials, _successes(dice, trials, chance))
    drawn = round(dice.gauss(trials * chance, sqrt(trials * chance * (1 - chance))))
    return min(trials, max(0, drawn))


def gap(dice: Random, chance: float) -> int:
    """Trials up to and with the next success."""
    return 1 + int(log(1 - dice.random()) / log(1 - chance)) if chance < 1 else 1


def _successes(dice: Random, trials: int, chance: float) -> int:
    successes, at = 0, gap(dice, chance)
    while at <= trials:
        successes += 1
        at += gap(dice, chance)
    return successes


@lru_cache(maxsize=512)
def lognormal_buckets(median_seconds: float, sigma: float, tail_share: float, tail_seconds: float) -> tuple[float, ...]:
    """Cumulative shares of the log buckets; `tail_share` of the requests take `tail_seconds` longer."""
    shares = [0.0] * BUCKETS
    for extra, part in ((0.0, 1 - tail_share), (tail_seconds, tail_share)):
        if part:
            for bucket, share in enumerate(_shares(median_seconds, sigma, extra)):
                shares[bucket] += part * share
    return tuple(accumulate(shares))


def _shares(median_seconds: float, sigma: float, extra: float) -> list[float]:
    below = [_cdf((edge - extra) / median_seconds, sigma) for edge in EDGES]
    return [high - low for low, high in zip([0.0, *below], [*below, 1.0], strict=True)]


def _cdf(ratio: float, sigma: float) -> float:
    return 0.5 * (1 + erf(log(ratio) / (sigma * sqrt(2)))) if ratio > 0 else 0.0
