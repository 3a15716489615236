"""What happens, told to everybody who listens; whoever listens too slowly is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from proxy.control.state import Json

QUEUE_EVENTS = 256
"""So many events wait for one listener; with more it is cut off and may ask again."""
LISTENERS = 64


class Event(NamedTuple):
    """`change`, `rules`, `hold`, `release`, `worker` or `rollout`, with what there is to say."""

    name: str
    revision: int
    value: Json


class Listener:
    """One reader's bounded queue."""

    def __init__(self, capacity: int) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(capacity + 1)
        self._capacity = capacity
        self.is_cut = False

    def tell(self, event: Event) -> bool:
        """Queue the event; False, and no more after this, when the queue is full."""
        if not self.is_cut and self._queue.qsize() >= self._capacity:
            self.end()
            return False
        if not self.is_cut:
            self._queue.put_nowait(event)
        return True

    def end(self) -> None:
        """No more events; what waits is still read."""
        if not self.is_cut:
            self.is_cut = True
            self._queue.put_nowait(None)

    async def next(self) -> Event | None:
        """The next event, None at the end."""
        if self.is_cut and self._queue.empty():
            return None
        return await self._queue.get()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event


class Events:
    """Everybody who listens now."""

    def __init__(self, capacity: int = QUEUE_EVENTS) -> None:
        self._capacity = capacity
        self._listeners: set[Listener] = set()
        self.dropped = 0
        """Listeners cut off because they read too slowly."""

    @property
    def is_full(self) -> bool:
        return len(self._listeners) >= LISTENERS

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear every event from now on."""
        listener = Listener(self._capacity)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def emit(self, event: Event) -> None:
        """Tell everybody; never waits."""
        slow = {listener for listener in self._listeners if not listener.tell(event)}
        self.dropped += len(slow)
        self._listeners -= slow

    def close(self) -> None:
        """Let everybody go, because the process leaves."""
        for listener in self._listeners:
            listener.end()
        self._listeners.clear()
