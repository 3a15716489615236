"""Retry: what may be sent again, and how often before it becomes a storm."""

from __future__ import annotations

from proxy.rules import Retries

# RFC 9110 §9.2.2; DELETE and PUT are idempotent, POST and PATCH are not.
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
REPLAY_BYTES = 64 << 10
"""A longer body is not kept for another try."""
_LONGEST_BACKOFF_SECONDS = 1.0


_SLOTS = 10
_SLOTS_PER_SECOND = 5
_WINDOW_SECONDS = _SLOTS / _SLOTS_PER_SECOND


class RetryBudget:
    """Retries of one service in this worker: a share of the requests of the last two seconds, and a floor a second.

    The window slides in slots of 200 ms. Retries stay in it for one slot longer than requests, so that in no two
    seconds there are more than the share: a window that starts anew would let every start have its burst.
    """

    __slots__ = ("_recent_requests", "_recent_retries", "_requests", "_retries", "_slot", "_uncounted")

    def __init__(self) -> None:
        self._slot = 0
        self._requests = [0] * _SLOTS
        self._retries = [0] * (_SLOTS + 1)
        self._recent_requests = self._recent_retries = 0
        """The sums over all slots."""
        self._uncounted = 0
        """Requests of this slot that are in neither yet."""

    def count(self, now: float) -> None:
        """A request has come."""
        slot = int(now * _SLOTS_PER_SECOND)
        if slot != self._slot:
            self._turn(slot)
        self._uncounted += 1

    def spend(self, now: float, settings: Retries) -> bool:
        """Whether one more retry fits; counted if so."""
        slot = int(now * _SLOTS_PER_SECOND)
        if slot != self._slot:
            self._turn(slot)
        requests = self._recent_requests + self._uncounted
        most = requests * settings.budget / 100 + _WINDOW_SECONDS * settings.budget_floor
        if self._recent_retries >= most:
            return False
        self._retries[slot % len(self._retries)] += 1
        self._recent_retries += 1
        return True

    def _turn(self, slot: int) -> None:
        self._requests[self._slot % _SLOTS] += self._uncounted
        self._recent_requests += self._uncounted
        self._uncounted = 0
        for passed in range(max(self._slot, slot - len(self._retries)) + 1, slot + 1):
            self._recent_requests -= self._requests[passed % _SLOTS]
            self._requests[passed % _SLOTS] = 0
            self._recent_retries -= self._retries[passed % len(self._retries)]
            self._retries[passed % len(self._retries)] = 0
        self._slot = slot


def backoff_seconds(settings: Retries, retry: int, chance: float) -> float:
    """Exponential back-off with full jitter before the `retry`th retry (1 is the first); `chance` in [0, 1)."""
    ceiling: float = min(settings.backoff * 2 ** (retry - 1), _LONGEST_BACKOFF_SECONDS)
    return ceiling * chance
