"""Deadlines: one coarse sweep per worker instead of a timer per wait."""

from __future__ import annotations

from math import ceil, inf

SWEEP_SECONDS = 0.1


class Deadlined:
    """Something that must not wait for ever: when `deadline` has passed, `expire` is called."""

    __slots__ = ("deadline", "filed_at", "filed_tick")

    def __init__(self) -> None:
        self.deadline = inf
        self.filed_tick = 0
        """The tick at which the sweep looks next; 0 when it does not."""
        self.filed_at = inf
        """The time of that tick."""

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        raise NotImplementedError


class Deadlines:
    """A wheel of ticks. Moving a deadline later costs one attribute: the sweep finds out when it looks."""

    __slots__ = ("_next_tick", "_ticks")

    def __init__(self, now: float) -> None:
        self._ticks: dict[int, set[Deadlined]] = {}
        self._next_tick = int(now / SWEEP_SECONDS)

    def arm(self, item: Deadlined, deadline: float) -> None:
        """Let `item` expire at `deadline`; a time in seconds, or inf for never."""
        item.deadline = deadline
        if deadline < item.filed_at:
            self._file(item, ceil(deadline / SWEEP_SECONDS))

    def forget(self, item: Deadlined) -> None:
        """Let go of an item that has come to its end."""
        item.deadline = inf
        filed = self._ticks.get(item.filed_tick)
        if filed is not None:
            filed.discard(item)
        item.filed_tick = 0
        item.filed_at = inf

    def sweep(self, now: float) -> None:
        """Expire what is due."""
        last = int(now / SWEEP_SECONDS)
        if last - self._next_tick > len(self._ticks):
            due = sorted(tick for tick in self._ticks if tick <= last)
        else:
            due = [tick for tick in range(self._next_tick, last + 1) if tick in self._ticks]
        self._next_tick = last + 1
        for tick in due:
            for item in self._ticks.pop(tick):
                if item.filed_tick == tick:
                    self._look(item, now)

    def _look(self, item: Deadlined, now: float) -> None:
        item.filed_tick = 0
        item.filed_at = inf
        if item.deadline <= now:
            item.deadline = inf
            item.expire(now)
        elif item.deadline < inf:
            self._file(item, ceil(item.deadline / SWEEP_SECONDS))

    def _file(self, item: Deadlined, tick: int) -> None:
        tick = max(tick, self._next_tick)
        if item.filed_tick:
            earlier = self._ticks.get(item.filed_tick)
            if earlier is not None:
                earlier.discard(item)
        item.filed_tick = tick
        item.filed_at = tick * SWEEP_SECONDS
        filed = self._ticks.get(tick)
        if filed is None:
            self._ticks[tick] = {item}
        else:
            filed.add(item)
