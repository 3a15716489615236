"""Precedence: the API tells a change at once, the mount a minute later; the slower never reverts the faster."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBERED = 32


class Precedence(Generic[T]):
    """Which values the API server has told, and which of them it has replaced since."""

    def __init__(self) -> None:
        self._superseded: deque[T] = deque(maxlen=REMEMBERED)
        self._current: list[T] = []

    def told(self, value: T) -> None:
        """The API server says that this holds now."""
        if self._current and self._current[0] != value:
            self._superseded.append(self._current[0])
        while value in self._superseded:
            self._superseded.remove(value)
        self._current = [value]

    def is_stale(self, value: T) -> bool:
        """Whether the mount shows something that the API server has replaced already.

        What the API server never told is not stale: it may be away, and then the mount is all there is.
        """
        return value in self._superseded
