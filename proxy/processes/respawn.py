"""Respawn: at once after a first death, later and later only for one that keeps dying."""

from __future__ import annotations

WINDOW_SECONDS = 30.0
_FIRST_SECONDS = 0.25
_MOST_SECONDS = 5.0


class Deaths:
    """The recent deaths in one place, a worker's slot or the brain's."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: list[float] = []

    def delay_after(self, now: float) -> float:
        """Count a death in and say how many seconds to wait before the successor starts."""
        self._times = [time for time in self._times if now - time < WINDOW_SECONDS]
        self._times.append(now)
        repeats = len(self._times) - 1
        return min(_FIRST_SECONDS * 2 ** (repeats - 1), _MOST_SECONDS) if repeats else 0.0
