"""The listener's side: one client connection turns bytes into requests, one after the other."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from math import inf
from typing import cast

from proxy.dataplane.deadlines import Deadlined
from proxy.dataplane.exchange import Exchange
from proxy.dataplane.replies import body_bytes, error_reply
from proxy.dataplane.resources import Resources
from proxy.dataplane.roles import ClientUser
from proxy.errors import BadRequest, HeadTooLarge, RequestTimeout, ShuntError, TargetTooLong
from proxy.http1.request import RequestHead, parse_request
from proxy.plan import Outcome

_BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\x00")
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1 << 20
_PIPELINE_BYTES = 64 << 10
WRITE_HIGH_BYTES = 64 << 10


class ClientConnection(Deadlined, asyncio.Protocol):
    """One connection of a client; requests are answered in the order in which they came (RFC 9112 §9.3.2)."""

    __slots__ = (
        "_has_ended",
        "_is_advancing",
        "_is_writing_paused",
        "_lingering_bytes",
        "_received",
        "_requests",
        "_scanned",
        "_unsent_bytes",
        "introduction",
        "is_reading_paused",
        "is_trusted",
        "peer",
        "resources",
        "scheme",
        "transport",
        "user",
    )

    def __init__(self, resources: Resources) -> None:
        super().__init__()
        self.resources = resources
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.user: ClientUser | None = None
        self.peer = ""
        self.scheme = b"http"
        self.is_trusted = False
        self.introduction = b""
        self.is_reading_paused = False
        self._received = b""
        """What has come and belongs to no exchange yet."""
        self._scanned = 0
        self._requests = 0
        self._lingering_bytes = -1
        """Bytes read and thrown away since the last answer; below 0 when not lingering."""
        self._has_ended = False
        self._is_advancing = False
        self._is_writing_paused = False
        self._unsent_bytes = 0
        """What waited to go out when the deadline was reached last."""

    # --- its beginning ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        resources = self.resources
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.is_trusted = resources.outgoing.trusts(self.peer)
        self.introduction = resources.outgoing.introduction(self.peer, self.scheme)
        if not resources.admit(self):
            self.transport.abort()
            return
        resources.deadlines.arm(self, resources.clock() + resources.limits.head_timeout)

    # --- requests ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        user = self.user
        if user is not None:
            if self._received:
                data = self._received + data
                self._received = b""
            rest = user.client_data(data)
            if not rest:
                return
            data = rest
        elif self._lingering_bytes >= 0:
            self._linger_on(len(data))
            return
        self._received = self._received + data if self._received else data
        if self.user is None:
            self._advance()
            if not self._received:
                return
        if len(self._received) > _PIPELINE_BYTES and (self.user is not None or self._is_writing_paused):
            self.pause_reading()

    def _advance(self) -> None:
        """Begin requests while there are whole heads, nobody is being answered, and the client takes its answers."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._received and self.user is None and self._lingering_bytes < 0 and not self._is_writing_paused:
                if not self._next_request():
                    break
        finally:
            self._is_advancing = False
        if self._has_ended and self.user is None and not (self._received and self._is_writing_paused):
            self.close()

    def _next_request(self) -> bool:
        """Begin the next request; False when its head is not complete yet."""
        received, scanned = self._received, self._scanned
        end = received.find(b"\r\n\r\n", scanned - 3 if scanned > 3 else 0) + 4
        if end < 4:
            self._wait_for_head(received)
            return False
        started = self.resources.clock()
        whole = end == len(received)
        head = received if whole else received[:end]
        self._received = b"" if whole else received[end:]
        self._scanned = 0
        if head[0] == 13 and head[:2] == b"\r\n" and len(head) > 4:
            head = head[2:]  # RFC 9112 §2.2: an empty line before the request-line is ignored
        resources = self.resources
        try:
            request = parse_request(
                head, resources.request_limits, via_name=resources.outgoing.via_name, trusted=self.is_trusted
            )
            if request.vias:
                resources.outgoing.refuse_loop(request)
        except ShuntError as refused:
            self._refuse(refused, started)
            return True
        request.client = resources.outgoing.client_of(self.peer, request) if request.forwarded else self.peer
        self._requests += 1
        self.deadline = inf
        exchange = self.user = Exchange(resources, self, request, started)
        exchange.begin(started)
        if self._received or self._has_ended:
            self.feed(exchange)
        return True

    def feed(self, user: ClientUser) -> None:
        """Hand over what has come of a request's body, and that no more comes."""
        if self.user is user and self._received:
            received, self._received = self._received, b""
            self._received = user.client_data(received)
        if self.user is user and self._has_ended:
            user.client_ended()

    def _wait_for_head(self, received: bytes) -> None:
        """An incomplete head: refuse at once what can become no request; the first byte starts the clock."""
        limits = self.resources.limits
        resources = self.resources
        if _BARE.search(received, max(0, self._scanned - 1)):
            self._refuse(BadRequest("malformed request: a bare CR or LF, or a NUL"), resources.clock())
        elif len(received) > limits.head_bytes:
            self._refuse(
                HeadTooLarge(f"the request's head is longer than {limits.head_bytes} bytes"), resources.clock()
            )
        elif len(received) > limits.target_bytes + 64 and b"\n" not in received:
            self._refuse(
                TargetTooLong(f"the request-target is longer than {limits.target_bytes} bytes"), resources.clock()
            )
        elif not self._scanned:
            resources.deadlines.arm(self, resources.clock() + limits.head_timeout)
        self._scanned = len(received)

    def _refuse(self, error: ShuntError, started: float) -> None:
        """Answer a request that never became one, and close: what follows has no certain meaning."""
        outcome = Outcome()
        outcome.status = error.status
        outcome.cause = error.word
        outcome.client = self.peer
        outcome.request_id = self.resources.outgoing.new_id()
        outcome.duration = self.resources.clock() - started
        reply = error_reply(error, outcome.request_id, close=True)
        outcome.bytes_out = body_bytes(reply)
        self.resources.on_outcome(outcome)
        self._received = b""
        self.write(reply)
        self.linger()

    # --- what the exchange asks -------------------------------------------------------------

    def keeps_alive(self, request: RequestHead) -> bool:
        """Whether another request may follow this one here."""
        most = self.resources.limits.requests_per_connection
        return (
            request.keep_alive
            and not self.resources.is_draining
            and not (self._has_ended and not self._received)
            and not (most and self._requests >= most)
        )

    def write(self, wire: bytes) -> None:
        """Send bytes, unless the client has gone: that is an everyday event."""
        if not self.transport.is_closing():
            self.transport.write(wire)

    def exchange_done(self, now: float, *, keep_alive: bool) -> None:
        """The response is written: on to the next request, or to the end."""
        self.user = None
        if not keep_alive:
            self.linger()
            return
        if self.is_reading_paused and not self._is_writing_paused:
            self.resume_reading()
        resources = self.resources
        resources.deadlines.arm(self, now + resources.limits.idle_timeout)
        if self._received or self._has_ended:
            self._advance()

    def become_tunnel(self, tunnel: ClientUser) -> None:
        """From now on bytes are no requests; those that came along with the handshake go first."""
        self.user = tunnel
        self.resume_reading()
        received, self._received = self._received, b""
        if received:
            tunnel.client_data(received)
        if self._has_ended:
            tunnel.client_ended()

    # --- flow control -----------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Take no more from the client for now."""
        if not self.is_reading_paused and not self.transport.is_closing():
            self.is_reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the client again."""
        if self.is_reading_paused and not self.transport.is_closing():
            self.is_reading_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._is_writing_paused = True
        if self.user is not None:
            self.user.client_full()

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        if self.user is not None:
            self.user.client_ready()
        elif not self.transport.is_closing():
            self.resume_reading()
            self._advance()

    # --- its end ----------------------------------------------------------------------------

    def eof_received(self) -> bool:
        """Half-closed clients still get their answers (RFC 9112 §9.6)."""
        self._has_ended = True
        if self.user is not None:
            self.user.client_ended()
            return True
        if not (self._received and self._is_writing_paused):
            self.close()
        return True

    def expire(self, now: float) -> None:
        """Idle, or too slow with its head or with taking its answers, or lingering for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and (not self._unsent_bytes or unsent < self._unsent_bytes):
            self._unsent_bytes = unsent
            self._await_writing()
        elif unsent or self.transport.is_closing():
            self._reset()
        elif self._received and self._lingering_bytes < 0:
            self._refuse(RequestTimeout("the request did not come in time"), now)
        elif self.user is None:
            self.transport.abort()

    def _await_writing(self) -> None:
        """A slow reader gets all that was written as long as it takes some of it now and then."""
        seconds = self.resources.limits.write_timeout
        self.resources.deadlines.arm(self, self.resources.clock() + seconds if seconds else inf)

    def linger(self) -> None:
        """Close so that the client surely reads our last answer: end our side, and read on for a while."""
        self._received = b""
        if self._has_ended or self.transport.is_closing():
            self.close()
            return
        self._lingering_bytes = 0
        self.write_eof()
        self.resume_reading()
        self.resources.deadlines.arm(self, self.resources.clock() + _LINGER_SECONDS)

    def _linger_on(self, size: int) -> None:
        self._lingering_bytes += size
        if self._lingering_bytes > _LINGER_BYTES:
            self._reset()

    def abort(self) -> None:
        """Close now, whatever waits to go out."""
        self.transport.abort()

    def write_eof(self) -> None:
        """Say that no more comes from us."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """Close once what was written has gone out."""
        self.transport.close()
        self._await_writing()

    def cut(self, *, reset: bool) -> None:
        """Break the connection; with a reset where its end would make an answer look complete."""
        if self.transport.is_closing():
            return
        if reset:
            self._reset()
        else:
            self.close()

    def _reset(self) -> None:
        opened = self.transport.get_extra_info("socket")
        if opened is not None and opened.family != socket.AF_UNIX:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        resources = self.resources
        resources.forget_client(self)
        resources.deadlines.forget(self)
        user, self.user = self.user, None
        if user is not None:
            user.client_lost()
