"""Retry: what may be sent again, and how often before it becomes a storm."""

from __future__ import annotations

from proxy.rules import Retries

# RFC 9110 §9.2.2; DELETE and PUT are idempotent, POST and PATCH are not.
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
REPLAY_BYTES = 64 << 10
"""A longer body is not kept for another try."""
_LONGEST_BACKOFF_SECONDS = 1.0


class RetryBudget:
    """Retries of one service in this worker: a share of the requests of the last two seconds, and a floor a second."""

    __slots__ = ("_requests", "_requests_before", "_retries", "_retries_before", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._requests = self._requests_before = 0
        self._retries = self._retries_before = 0

    def count(self, now: float) -> None:
        """A request has come."""
        if int(now) != self._second:
            self._turn(int(now))
        self._requests += 1

    def spend(self, now: float, settings: Retries) -> bool:
        """Whether one more retry fits; counted if so."""
        if int(now) != self._second:
            self._turn(int(now))
        requests = self._requests + self._requests_before
        retries = self._retries + self._retries_before
        if retries >= requests * settings.budget / 100 + 2 * settings.budget_floor:
            return False
        self._retries += 1
        return True

    def _turn(self, second: int) -> None:
        follows = second == self._second + 1
        self._requests_before = self._requests if follows else 0
        self._retries_before = self._retries if follows else 0
        self._requests = self._retries = 0
        self._second = second


def backoff_seconds(settings: Retries, retry: int, chance: float) -> float:
    """Exponential back-off with full jitter before the `retry`th retry (1 is the first); `chance` in [0, 1)."""
    ceiling: float = min(settings.backoff * 2 ** (retry - 1), _LONGEST_BACKOFF_SECONDS)
    return ceiling * chance
