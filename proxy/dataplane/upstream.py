"""Upstream: connections to targets, kept warm in one pool per target."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Protocol, cast

from proxy.dataplane.deadlines import Deadlined
from proxy.errors import ConnectFailed, Overloaded
from proxy.rules import Limits
from proxy.rules import Pool as PoolSettings
from proxy.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.deadlines import Deadlines

WRITE_HIGH_BYTES = 64 << 10


class User(Protocol):
    """Who has a connection: an exchange, a copy, a tunnel."""

    def target_data(self, received: bytes) -> None:
        """Bytes came from the target."""

    def target_lost(self) -> None:
        """The target closed or broke the connection; it is gone from its pool already."""

    def target_ended(self) -> None:
        """The target sent its last byte; the connection closes unless the user has taken it over."""

    def target_full(self) -> None:
        """The target takes no more bytes for now."""

    def target_ready(self) -> None:
        """The target takes bytes again."""


class TargetConnection(Deadlined, asyncio.Protocol):
    """One connection to a target; idle in its pool while it has no user."""

    __slots__ = ("idle_since", "is_reading_paused", "is_tunnel", "pool", "transport", "used", "user")

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.user: User | None = None
        self.idle_since = 0.0
        self.used = 0
        """How many exchanges have had it; 0 for a fresh one."""
        self.is_reading_paused = False
        self.is_tunnel = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self.pool.open.add(self)

    def data_received(self, data: bytes) -> None:
        if self.user is not None:
            self.user.target_data(data)
        else:
            self.close()  # bytes that nobody asked for are never served to anyone

    def eof_received(self) -> bool:
        if self.user is not None:
            self.user.target_ended()
        return self.is_tunnel

    def pause_reading(self) -> None:
        """Take no more from the target for now."""
        if not self.is_reading_paused and not self.transport.is_closing():
            self.is_reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the target again."""
        if self.is_reading_paused and not self.transport.is_closing():
            self.is_reading_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        if self.user is not None:
            self.user.target_full()

    def resume_writing(self) -> None:
        if self.user is not None:
            self.user.target_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        user, self.user = self.user, None
        self.pool.lost(self)
        if user is not None:
            user.target_lost()

    def expire(self, now: float) -> None:
        """It was idle for too long."""
        if self.user is None:
            self.close()

    def close(self) -> None:
        """Close it once what was written has gone out; whoever uses it is not told."""
        self.user = None
        self.pool.lost(self)
        self.transport.close()

    def abort(self) -> None:
        """Close it now, whatever waits to go out; whoever uses it is not told."""
        self.user = None
        self.pool.lost(self)
        self.transport.abort()


class Pool:
    """The connections of one target: the one used last goes out first, so that the rest can grow old and close."""

    __slots__ = ("_connecting", "_deadlines", "_idle", "_waiting", "clock", "limits", "open", "settings", "target")

    def __init__(
        self, target: Target, settings: PoolSettings, limits: Limits, deadlines: Deadlines, clock: Callable[[], float]
    ) -> None:
        self.target = target
        self.settings = settings
        self.limits = limits
        self.clock = clock
        self.open: set[TargetConnection] = set()
        self._connecting = 0
        self._idle: list[TargetConnection] = []
        self._waiting: deque[asyncio.Future[TargetConnection | None]] = deque()
        self._deadlines = deadlines

    def take(self, idle_at_most: float = inf) -> TargetConnection | None:
        """A warm connection that has been idle for at most so many seconds, or None; decided without waiting."""
        idle = self._idle
        while idle:
            connection = idle[-1]
            if connection.transport.is_closing():
                idle.pop()
                continue
            if idle_at_most < inf and self.clock() - connection.idle_since > idle_at_most:
                return None
            idle.pop()
            connection.deadline = inf
            connection.used += 1
            return connection
        return None

    async def connect(self, timeout_seconds: float, pending_seconds: float) -> TargetConnection:
        """A fresh connection, or one that comes back while waiting for a place; ConnectFailed, Overloaded."""
        while self._is_full():
            if len(self._waiting) >= self.limits.max_pending:
                raise Overloaded("too many requests wait for this target")
            handed = await self._wait_for_place(pending_seconds)
            if handed is not None:
                return handed
        self._connecting += 1
        try:
            async with asyncio.timeout(timeout_seconds or None):
                return await self._open()
        except (OSError, TimeoutError) as refused:
            raise ConnectFailed("the target does not take connections") from refused
        finally:
            self._connecting -= 1
            self._wake_one(None)

    async def _open(self) -> TargetConnection:
        address = self.target.address
        loop = asyncio.get_running_loop()
        connection = TargetConnection(self)
        if address.unix:
            await loop.create_unix_connection(lambda: connection, address.unix)
        else:
            transport, _ = await loop.create_connection(lambda: connection, address.host, address.port)
            opened = transport.get_extra_info("socket")
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _is_full(self) -> bool:
        most = self.limits.max_connections
        return bool(most) and len(self.open) + self._connecting >= most

    async def _wait_for_place(self, pending_seconds: float) -> TargetConnection | None:
        place: asyncio.Future[TargetConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        is_taken = False
        try:
            async with asyncio.timeout(pending_seconds or None):
                handed = await place
            is_taken = True
            return handed
        except TimeoutError:
            raise Overloaded("no connection to this target became free in time") from None
        finally:
            if not is_taken:
                self._leave_queue(place)

    def _leave_queue(self, place: asyncio.Future[TargetConnection | None]) -> None:
        """A waiter gives up; what was handed to it in the same moment goes to the next one."""
        if place in self._waiting:
            self._waiting.remove(place)
        elif place.done() and not place.cancelled():
            handed = place.result()
            if handed is not None:
                self.give_back(handed)
            else:
                self._wake_one(None)

    def give_back(self, connection: TargetConnection, now: float | None = None) -> None:
        """Keep a connection whose exchange ended cleanly, or hand it to who waits for one.

        `now` is what the clock says, where the caller has just looked at it.
        """
        connection.user = None
        if connection.is_reading_paused:
            connection.resume_reading()
        if connection.transport.is_closing():
            self.lost(connection)
        elif self._waiting and self._wake_one(connection):
            connection.used += 1
        elif self.target.is_retired or not self.settings.max_idle or not self.settings.idle:
            connection.close()
        else:
            if len(self._idle) >= self.settings.max_idle:
                self._idle[0].close()  # the one that was idle longest: the fresher serves what must not be sent twice
            connection.idle_since = now = self.clock() if now is None else now
            self._idle.append(connection)
            self._deadlines.arm(connection, now + self.settings.idle)

    def _wake_one(self, connection: TargetConnection | None) -> bool:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(connection)
                return True
        return False

    def lost(self, connection: TargetConnection) -> None:
        """A connection is no more; who waits for its place may open another."""
        if connection not in self.open:
            return
        self.open.discard(connection)
        self._deadlines.forget(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake_one(None)

    def close_idle(self) -> None:
        """Close what nobody uses; what is in use closes when it comes back."""
        for connection in list(self._idle):
            connection.close()

    def close_all(self) -> None:
        """Cut every connection, used or not."""
        for connection in list(self.open):
            connection.abort()
