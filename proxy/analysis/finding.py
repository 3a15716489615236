"""The finding: what was seen, what it is worth, what follows, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp

from proxy.analysis import errors
from proxy.analysis.evidence import Weighed, told
from proxy.analysis.judge import Judge, Seen
from proxy.analysis.multinomial import split_p_value
from proxy.analysis.tally import CANDIDATE, STABLE, Tally
from proxy.strategies.progressive import Analysis

DEADLINE_SECONDS = 3600.0
DEADLINE_PAUSES = 3.0
DOUBTFUL_SPLIT = 0.001
_MOST_LOG = 575.0
_HALVINGS = 30


class Decision(StrEnum):
    """What the evidence allows."""

    ROLLBACK = "rollback"
    ADVANCE = "advance"
    HOLD = "hold"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look at a rollout."""

    decision: Decision
    evidence: Weighed
    threshold: float
    units: int
    watched_seconds: float
    seen: Seen
    smallest_rate: float | None
    """The lowest error rate of the candidate that would have been caught by now; None when none would."""
    split_p: float
    """How likely chance alone makes the split differ so from its weights; tiny: something else assigns people."""
    cap: str
    text: str


def decide(evidence: float, settings: Analysis, units: int, watched: float, pause: float = 0.0) -> Decision:
    """What follows from the evidence after so many units and seconds at this weight, whose pause is so long."""
    if not settings.enabled:
        return Decision.ADVANCE
    if evidence >= 1 / settings.alpha:
        return Decision.ROLLBACK
    if units >= settings.minimum and watched >= settings.seconds:
        return Decision.ADVANCE
    deadline = settings.deadline
    if deadline is None:
        deadline = max(DEADLINE_SECONDS, DEADLINE_PAUSES * pause)
    return Decision.INCONCLUSIVE if watched > deadline else Decision.HOLD


def cap_exceeded(settings: Analysis, failed_requests: int, failed_identities: int) -> str:
    """Which blast-radius cap is passed, in words; "" when none is."""
    if 0 < settings.max_failed_requests < failed_requests:
        return f"{failed_requests} requests failed on the candidate, more than {settings.max_failed_requests}"
    if 0 < settings.max_failed_identities < failed_identities:
        return f"the candidate failed {failed_identities} identities, more than {settings.max_failed_identities}"
    return ""


def smallest_rate(totals: Mapping[float, Tally], settings: Analysis) -> float | None:
    """The lowest error rate of the candidate that would have been caught by now; None when not even 100 % would.

    Stable's errors are taken as they were; half of the money, which the first minute invests, has to do it.
    """
    needed = 4 / settings.alpha
    if _mean_at(1.0, totals, settings) < needed:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _mean_at(middle, totals, settings) >= needed else (middle, high)
    return high


def _mean_at(rate: float, totals: Mapping[float, Tally], settings: Analysis) -> float:
    sums = [0.0] * len(errors.GRID)
    for weight, tally in totals.items():
        if not 0 < weight < 1:
            continue
        for index, (stable, candidate) in enumerate(errors.bets(weight, settings.error_ratio)):
            sums[index] += tally.errors[STABLE] * stable + rate * tally.units[CANDIDATE] * candidate
    return sum(exp(min(log_sum, _MOST_LOG)) for log_sum in sums) / len(sums)


def look(
    judge: Judge, settings: Analysis, now: float, *, since: float, pause: float = 0.0, freezes: bool = False
) -> Finding:
    """All there is to say now about the weight that was set at `since`; `freezes`: a worse candidate stays there."""
    weighed = judge.weigh(now)
    units, watched = judge.units, max(0.0, now - since)
    cap = cap_exceeded(settings, judge.requests.candidate_failed, judge.failed_identities)
    decision = Decision.ROLLBACK if cap else decide(weighed.total, settings, units, watched, pause)
    smallest = smallest_rate(judge.totals, settings) if settings.enabled else None
    split_p = split_p_value(judge.totals)
    if decision is Decision.ROLLBACK:
        conclusion = (
            f"{_worse(weighed, settings, cap)}: {'it stays until a person decides' if freezes else 'it goes back'}."
        )
    else:
        conclusion = _not_worse(decision, weighed, settings, units, smallest)
    sentences = [*_observed(judge.requests), conclusion]
    if split_p < DOUBTFUL_SPLIT:
        sentences.append("The split is not what its weights say: something else assigns people, and no number holds.")
    return Finding(
        decision=decision,
        evidence=weighed,
        threshold=1 / settings.alpha,
        units=units,
        watched_seconds=watched,
        seen=judge.requests,
        smallest_rate=smallest,
        split_p=split_p,
        cap=cap,
        text=" ".join(sentences),
    )


def _observed(seen: Seen) -> list[str]:
    return [
        f"The candidate failed {seen.candidate_failed:,} of {seen.candidate:,} requests"
        f"{_share(seen.candidate_failed, seen.candidate)},",
        f"stable {seen.stable_failed:,} of {seen.stable:,}{_share(seen.stable_failed, seen.stable)}.",
    ]


def _worse(weighed: Weighed, settings: Analysis, cap: str) -> str:
    if cap:
        return f"{cap[0].upper()}{cap[1:]}"
    cause = "fails more often" if weighed.errors >= weighed.latency else "is slower"
    odds = f"at most once in {1 / settings.alpha:.0f} rollouts of a healthy one"
    return f"It {cause} than allowed (evidence {told(weighed.total)}; by chance {odds})"


def _not_worse(decision: Decision, weighed: Weighed, settings: Analysis, units: int, smallest: float | None) -> str:
    limit = "No error rate" if smallest is None else f"An error rate of {smallest:.2%}"
    no_sign = f"No sign that it is worse (evidence {weighed.total:.2g} of {1 / settings.alpha:.0f})."
    no_sign += f" {limit} would have been caught by now."
    if decision is Decision.ADVANCE:
        return f"{no_sign} It may go on."
    missing = f"{units:,} of {settings.minimum:,} counted"
    if decision is Decision.HOLD:
        return f"{no_sign} Too early to go on: {missing}."
    return f"{no_sign} Too little traffic to tell ({missing}): a person has to decide."


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.2%})" if whole else ""
