"""A hold: new requests of a service wait in the proxy, so that no request straddles a change."""

from __future__ import annotations

from collections import deque

from proxy.dataplane.roles import Held
from proxy.errors import HeldTooLong

MOST_WAITING = 10_000


class Hold:
    """The queue of one held service: each request waits at most `max_seconds`, the hold ends at `until`."""

    __slots__ = ("_max_seconds", "_until", "_waiting")

    def __init__(self, max_seconds: float, until: float) -> None:
        self._max_seconds = max_seconds
        self._until = until
        self._waiting: deque[Held] = deque()

    def is_over(self, now: float) -> bool:
        """Whether the hold has ended by itself."""
        return now >= self._until

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return sum(not exchange.is_over for exchange in self._waiting)

    def queue(self, exchange: Held, now: float) -> None:
        """Let a request wait; raises HeldTooLong when too many do already."""
        if len(self._waiting) >= MOST_WAITING:
            raise HeldTooLong("the service is on hold and too many requests wait")
        self._waiting.append(exchange)
        exchange.deadline = now + self._max_seconds

    def release(self) -> None:
        """Let them go, in the order in which they came."""
        while self._waiting:
            exchange = self._waiting.popleft()
            if not exchange.is_over:
                exchange.resume()

    def take_over(self, other: Hold) -> None:
        """Those who wait already go on waiting here, each within its own bound."""
        self._waiting.extend(other._waiting)
        other._waiting.clear()
