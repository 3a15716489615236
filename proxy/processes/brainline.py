"""The worker's end of its channel: what the brain says waits its turn, so that requests never wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.processes.channel import Frames, encode

_MOST_WAITING = 256
"""Frames that may wait before the brain is made to wait."""
_MOST_UNSENT_BYTES = 4 << 20
"""A brain that reads nothing gets no more words than fit in here; counters are kept, not lost."""


class BrainLine(asyncio.Protocol):
    """One channel; after a crash of the brain the supervisor sends a new one."""

    def __init__(self, ended: Callable[[BrainLine], None]) -> None:
        self._ended = ended
        self._frames = Frames()
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked by its class: uvloop's transports are none of asyncio's.
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, received: bytes) -> None:
        for frame in self._frames.feed(received):
            self._waiting.put_nowait(frame)
        if self._waiting.qsize() > _MOST_WAITING and self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._waiting.put_nowait(None)
        self._ended(self)

    async def next_frame(self) -> bytes | None:
        """The next frame, once there is one; None at the end of the line."""
        if self._is_paused and self._waiting.qsize() < _MOST_WAITING // 2 and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return await self._waiting.get()

    def send(self, message: object) -> bool:
        """Say something; False when nobody reads it."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            return False
        transport.write(encode(message))
        return True

    def close(self) -> None:
        """Let go of it once everything is written."""
        if self._transport is not None:
            self._transport.close()
