"""Is the split what the rules say? The multinomial e-process of Lindon & Malek (arXiv 2011.03567).

It guards the first condition of the judge: if the arms are not drawn by the weight, no evidence means anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log

from proxy.analysis.tally import Strata

CONCENTRATION = 100.0
_MOST_LOG = 575.0


def log_evidence(counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """ln of the odds that the counts were not drawn by `shares`: a Dirichlet mixture around them."""
    before = [concentration * share for share in shares]
    after = [prior + count for prior, count in zip(before, counts, strict=True)]
    drawn = sum(count * log(share) for count, share in zip(counts, shares, strict=True) if count)
    return _log_beta(after) - _log_beta(before) - drawn


def p_value(counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """1 / evidence, at most 1: may be looked at after every draw."""
    return min(1.0, exp(-min(log_evidence(counts, shares, concentration), _MOST_LOG)))


def split_p_value(strata: Strata) -> float:
    """How likely chance alone makes the arms' units differ so much from the weights that they were drawn by."""
    log_odds = sum(
        log_evidence(tally.units, (1 - weight, weight)) for weight, tally in strata.items() if 0 < weight < 1
    )
    return min(1.0, exp(-min(log_odds, _MOST_LOG)))


def _log_beta(parameters: Sequence[float]) -> float:
    return sum(lgamma(parameter) for parameter in parameters) - lgamma(sum(parameters))
