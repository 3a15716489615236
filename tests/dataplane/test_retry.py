"""Retry: a budget that no storm gets past, and back-offs that stay within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.dataplane.retry import RetryBudget, backoff_seconds
from proxy.rules import Retries


@given(requests=st.integers(0, 500), percent=st.integers(0, 100), floor=st.integers(0, 10))
def test_retries_are_a_share_of_recent_requests_and_a_floor(requests: int, percent: int, floor: int) -> None:
    budget, settings = RetryBudget(), Retries(budget=percent, budget_floor=floor)
    for _ in range(requests):
        budget.count(10.0)
    spent = sum(budget.spend(10.5, settings) for _ in range(2000))
    assert requests * percent / 100 + 2 * floor <= spent < requests * percent / 100 + 2 * floor + 1


def test_a_quiet_service_may_always_retry_a_little() -> None:
    budget = RetryBudget()
    assert budget.spend(5.0, Retries())


def test_what_was_spent_comes_back_with_time() -> None:
    budget, settings = RetryBudget(), Retries(budget_floor=1, budget=0)
    assert [budget.spend(1.0, settings) for _ in range(3)] == [True, True, False]
    assert not budget.spend(2.0, settings)
    assert budget.spend(4.0, settings)


@given(per_second=st.integers(10, 400), start=st.floats(0, 1), seconds=st.integers(1, 5))
def test_in_no_two_seconds_of_failures_there_are_more_retries_than_the_share(
    per_second: int, start: float, seconds: int
) -> None:
    budget, settings = RetryBudget(), Retries(budget=20, budget_floor=3)
    failing_from, end = 10 + start, 10 + start + seconds
    retried = []
    for number in range(int(end * per_second)):
        now = number / per_second
        budget.count(now)
        if now >= failing_from and budget.spend(now, settings):
            retried.append(now)
    for began in retried:
        within = sum(began <= when < began + 2 for when in retried)
        assert within <= 0.2 * 2 * per_second + 2 * 3 + 1


@given(retry=st.integers(1, 60), chance=st.floats(0, 1, exclude_max=True))
def test_a_backoff_is_never_negative_and_never_long(retry: int, chance: float) -> None:
    assert 0 <= backoff_seconds(Retries(), retry, chance) <= min(0.025 * 2 ** (retry - 1), 1.0)
