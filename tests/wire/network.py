"""A network in memory: transports as strict as uvloop's, pieces as small as asked for, and time that skips waiting.

Nothing here opens a socket or sleeps: an event loop whose connections are pairs of buffers, and whose clock jumps to
the next timer as soon as nobody has anything to do.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import struct
from collections.abc import Callable

KERNEL_BYTES = 64 << 10
"""What a link holds between two programs that are not the sender's any more."""
_RESETTING = struct.pack("ii", 1, 0)


class _Skipping(selectors.SelectSelector):
    """Instead of waiting for the next timer, it moves the clock there."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class _Socket:
    """What a program can learn of and say to the socket under a transport."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.resets = False

    def setsockopt(self, level: int, option: int, value: object) -> None:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.resets = value == _RESETTING


class Listening:
    """A listening socket, as far as a data plane looks at it."""

    family = socket.AF_INET

    def __init__(self, port: int) -> None:
        self.port = port

    def fileno(self) -> int:
        return self.port

    def accept(self) -> tuple[socket.socket, object]:
        raise BlockingIOError("nobody waits")


class _Server:
    def __init__(self, loop: Network, port: int) -> None:
        self._loop, self._port = loop, port

    def close(self) -> None:
        self._loop.ports.pop(self._port, None)


class End(asyncio.Transport):
    """One end of a connection. Writing after the end raises RuntimeError, as uvloop does."""

    def __init__(self, loop: Network, protocol: asyncio.Protocol, peername: tuple[str, int]) -> None:
        super().__init__()
        self.loop = loop
        self.protocol = protocol
        self.peer: End
        self.most_unsent = 0
        self._peername = peername
        self._socket = _Socket()
        self._unsent = bytearray()
        self._kernel = bytearray()
        self._high, self._low = 64 << 10, 16 << 10
        self._is_writing_paused = self._is_reading_paused = False
        self._is_eof_written = self._is_eof_sent = False
        self._is_closing = self._is_lost = self._is_scheduled = False

    # --- asked by programs ------------------------------------------------------------------

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": self._peername, "socket": self._socket}.get(name, default)

    def is_closing(self) -> bool:
        return self._is_closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 << 10 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def is_reading(self) -> bool:
        return not self._is_reading_paused

    def pause_reading(self) -> None:
        self._ensure_alive()
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        self._ensure_alive()
        self._is_reading_paused = False
        self.peer._schedule()

    def write(self, data: bytes) -> None:
        self._ensure_alive()
        if self._is_eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        self._unsent += data
        self._fill_kernel()
        self.most_unsent = max(self.most_unsent, len(self._unsent))
        if len(self._unsent) > self._high and not self._is_writing_paused:
            self._is_writing_paused = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self._ensure_alive()
        self._is_eof_written = True
        self._schedule()

    def close(self) -> None:
        self._is_closing = True
        self._schedule()

    def abort(self) -> None:
        self._is_closing = True
        self._unsent.clear()
        if self._socket.resets:
            self._kernel.clear()
            self.loop.call_soon(self.peer._lose, ConnectionResetError("reset by peer"))
            self.loop.call_soon(self._lose, None)
        else:
            self._schedule()

    def reset(self) -> None:
        """Break the connection so that the other side sees a reset."""
        self._socket.resets = True
        self.abort()

    def _ensure_alive(self) -> None:
        if self._is_closing:
            raise RuntimeError("unable to perform operation; the handler is closed")

    # --- moving bytes -----------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self.loop.call_soon(self._move)

    def _fill_kernel(self) -> None:
        room = KERNEL_BYTES - len(self._kernel)
        if room > 0 and self._unsent:
            self._kernel += self._unsent[:room]
            del self._unsent[:room]
            self._schedule()

    def _move(self) -> None:
        self._is_scheduled = False
        if self._is_lost:
            return
        peer = self.peer
        if self._kernel and peer._is_closing:
            self._kernel.clear()
            self._unsent.clear()
            self.loop.call_soon(self._lose, ConnectionResetError("reset by peer"))
            return
        if self._kernel and not peer._is_reading_paused:
            size = self.loop.piece_bytes
            piece = bytes(self._kernel[:size])
            del self._kernel[:size]
            self._fill_kernel()
            self._resume_writing()
            peer.protocol.data_received(piece)
        if self._kernel:
            if not peer._is_reading_paused:
                self._schedule()
        elif not self._unsent:
            self._end_writing()

    def _resume_writing(self) -> None:
        if self._is_writing_paused and len(self._unsent) <= self._low:
            self._is_writing_paused = False
            self.protocol.resume_writing()

    def _end_writing(self) -> None:
        peer = self.peer
        if (self._is_eof_written or self._is_closing) and not self._is_eof_sent:
            if peer._is_reading_paused and not peer._is_closing:
                return
            self._is_eof_sent = True
            if not peer._is_closing and not peer.protocol.eof_received():
                peer.close()
        if self._is_closing:
            self._lose(None)

    def _lose(self, why: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = self._is_closing = True
            self.protocol.connection_lost(why)


class Network(asyncio.SelectorEventLoop):
    """An event loop without sockets. `piece_bytes` is the most that one read ever brings."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)
        self.piece_bytes = 256 << 10
        self.ports: dict[int, Callable[[], asyncio.Protocol]] = {}
        self.faults: list[dict[str, object]] = []
        self.set_exception_handler(lambda loop, context: self.faults.append(context))

    def time(self) -> float:
        return self._skipping.now

    async def create_server(self, factory: Callable[[], asyncio.Protocol], *, sock: Listening, backlog: int) -> _Server:
        self.ports[sock.port] = factory
        return _Server(self, sock.port)

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[End, asyncio.Protocol]:
        await asyncio.sleep(0)
        if port not in self.ports:
            raise ConnectionRefusedError("nobody listens there")
        protocol = factory()
        here = End(self, protocol, (host, port))
        there = End(self, self.ports[port](), ("192.0.2.7", 40000))
        here.peer, there.peer = there, here
        protocol.connection_made(here)
        there.protocol.connection_made(there)
        return here, protocol
