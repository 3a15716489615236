"""The listener's side: one client connection turns bytes into requests, one after the other."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import TYPE_CHECKING, Protocol, cast

from proxy.dataplane.deadlines import Deadlined
from proxy.dataplane.exchange import Exchange
from proxy.dataplane.replies import error_reply
from proxy.errors import BadRequest, HeadTooLarge, RequestTimeout, ShuntError, TargetTooLong
from proxy.http1.forwarding import response_head
from proxy.http1.request import RequestHead, parse_request
from proxy.plan import Outcome

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane
    from proxy.http1.response import ResponseHead

_BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\x00")
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1 << 20
_PIPELINE_BYTES = 64 << 10
WRITE_HIGH_BYTES = 64 << 10


class ClientUser(Protocol):
    """Who has the client's connection: an exchange or a tunnel."""

    def client_data(self, received: bytes) -> bytes:
        """Take bytes of the client; return those that belong to the next request."""
        ...

    def client_full(self) -> None:
        """The client takes no more for now."""

    def client_ready(self) -> None:
        """The client takes bytes again."""

    def client_ended(self) -> None:
        """The client has sent its last byte."""

    def client_lost(self) -> None:
        """The client is gone."""


class ClientConnection(Deadlined, asyncio.Protocol):
    """One connection of a client; requests are answered in the order in which they came (RFC 9112 §9.3.2)."""

    __slots__ = (
        "_has_ended",
        "_is_advancing",
        "_lingering_bytes",
        "_received",
        "_requests",
        "_scanned",
        "is_reading_paused",
        "is_trusted",
        "peer",
        "plane",
        "scheme",
        "transport",
        "user",
    )

    def __init__(self, plane: DataPlane) -> None:
        super().__init__()
        self.plane = plane
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.user: ClientUser | None = None
        self.peer = ""
        self.scheme = b"http"
        self.is_trusted = False
        self.is_reading_paused = False
        self._received = b""
        """What has come and belongs to no exchange yet."""
        self._scanned = 0
        self._requests = 0
        self._lingering_bytes = -1
        """Bytes read and thrown away since the last answer; below 0 when not lingering."""
        self._has_ended = False
        self._is_advancing = False

    # --- its beginning ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        plane = self.plane
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.is_trusted = plane.outgoing.trusts(self.peer)
        if not plane.admit(self):
            self.transport.abort()
            return
        plane.deadlines.arm(self, plane.clock() + plane.limits.head_timeout)

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
        elif len(self._received) > _PIPELINE_BYTES:
            self.pause_reading()

    def _advance(self) -> None:
        """Begin requests while there are whole heads and nobody is being answered."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._received and self.user is None and self._lingering_bytes < 0:
                if not self._next_request():
                    break
        finally:
            self._is_advancing = False
        if self._has_ended and self.user is None:
            self.close()

    def _next_request(self) -> bool:
        """Begin the next request; False when its head is not complete yet."""
        received = self._received
        end = received.find(b"\r\n\r\n", max(0, self._scanned - 3)) + 4
        if end < 4:
            self._wait_for_head(received)
            return False
        started = self.plane.clock()
        whole = end == len(received)
        head = received if whole else received[:end]
        self._received = b"" if whole else received[end:]
        self._scanned = 0
        if head[0] == 13 and head[:2] == b"\r\n" and len(head) > 4:
            head = head[2:]  # RFC 9112 §2.2: an empty line before the request-line is ignored
        plane = self.plane
        try:
            request = parse_request(
                head, plane.request_limits, via_name=plane.outgoing.via_name, trusted=self.is_trusted
            )
            plane.outgoing.refuse_loop(request)
        except ShuntError as refused:
            self._refuse(refused, started)
            return True
        request.client = plane.outgoing.client_of(self.peer, request)
        self._requests += 1
        self.deadline = float("inf")
        exchange = self.user = Exchange(plane, self, request, started)
        exchange.begin()
        if self.user is exchange and self._received:
            self._received = exchange.client_data(self._received)
            if self.user is exchange and self._has_ended:
                exchange.client_ended()
        return True

    def _wait_for_head(self, received: bytes) -> None:
        """An incomplete head: refuse at once what can become no request; the first byte starts the clock."""
        limits = self.plane.limits
        plane = self.plane
        if _BARE.search(received, max(0, self._scanned - 1)):
            self._refuse(BadRequest("malformed request: a bare CR or LF, or a NUL"), plane.clock())
        elif len(received) > limits.head_bytes:
            self._refuse(HeadTooLarge(f"the request's head is longer than {limits.head_bytes} bytes"), plane.clock())
        elif len(received) > limits.target_bytes + 64 and b"\n" not in received:
            self._refuse(TargetTooLong(f"the request-target is longer than {limits.target_bytes} bytes"), plane.clock())
        elif not self._scanned:
            plane.deadlines.arm(self, plane.clock() + limits.head_timeout)
        self._scanned = len(received)

    def _refuse(self, error: ShuntError, started: float) -> None:
        """Answer a request that never became one, and close: what follows has no certain meaning."""
        outcome = Outcome()
        outcome.status = error.status
        outcome.cause = error.word
        outcome.client = self.peer
        outcome.duration = self.plane.clock() - started
        self.plane.on_outcome(outcome)
        self._received = b""
        self.write(error_reply(error, b"", close=True))
        self.linger()

    # --- what the exchange asks -------------------------------------------------------------

    def keeps_alive(self, request: RequestHead) -> bool:
        """Whether another request may follow this one here."""
        most = self.plane.limits.requests_per_connection
        return (
            request.keep_alive
            and not self.plane.is_draining
            and not self._has_ended
            and not (most and self._requests >= most)
        )

    def write(self, wire: bytes) -> None:
        """Send bytes, unless the client has gone: that is an everyday event."""
        if not self.transport.is_closing():
            self.transport.write(wire)

    def response_head(self, exchange: Exchange, response: ResponseHead, *, keeps: bool, chunked: bool) -> bytes:
        """The head for this client, with what the connection and the plan add."""
        plan, fleet = exchange.plan, exchange.fleet
        assert plan is not None
        assert fleet is not None
        extra = b""
        if plan.lane.expose_version:
            extra = b"x-shunt-version: " + fleet.version.encode() + b"\r\n"
        if plan.minted is not None:
            secure = b"; Secure" if exchange.request.secure else b""
            extra += b"Set-Cookie: shunt_id=%b; Path=/; HttpOnly; SameSite=Lax%b\r\n" % (plan.minted, secure)
        if chunked:
            extra += b"Transfer-Encoding: chunked\r\n"
        if not keeps:
            extra += b"Connection: close\r\n"
        elif exchange.request.is_http10:
            extra += b"Connection: keep-alive\r\n"
        head = response_head(response, extra)
        if plan.lane.response_edits or fleet.response_edits:
            head = fleet.response_edits.apply(plan.lane.response_edits.apply(head[:-2])) + b"\r\n"
        return head

    def interim_head(self, response: ResponseHead) -> bytes:
        """A 1xx as it came, less its hop-by-hop fields."""
        return response_head(response, b"")

    def upgrade_head(self, response: ResponseHead) -> bytes:
        """The 101 with the upgrade that the target agreed to."""
        return response_head(response, b"Connection: Upgrade\r\nUpgrade: " + response.upgrade + b"\r\n")

    def error_reply(self, error: ShuntError, request: RequestHead, *, close: bool) -> bytes:
        """Our own answer to a request."""
        return error_reply(error, request.request_id, close=close, without_body=request.method == b"HEAD")

    def fill(self, outcome: Outcome, request: RequestHead) -> None:
        """Say in the outcome who asked for what."""
        outcome.method = request.method
        outcome.path = request.path
        outcome.client = request.client
        outcome.request_id = request.request_id
        outcome.trace_id = request.trace_id

    def exchange_done(self, *, keep_alive: bool) -> None:
        """The response is written: on to the next request, or to the end."""
        self.user = None
        if not keep_alive:
            self.linger()
            return
        self.resume_reading()
        plane = self.plane
        plane.deadlines.arm(self, plane.clock() + plane.limits.idle_timeout)
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
        if self.user is not None:
            self.user.client_full()

    def resume_writing(self) -> None:
        if self.user is not None:
            self.user.client_ready()

    # --- its end ----------------------------------------------------------------------------

    def eof_received(self) -> bool:
        """Half-closed clients still get their answers (RFC 9112 §9.6)."""
        self._has_ended = True
        if self.user is not None:
            self.user.client_ended()
            return True
        self.close()
        return False

    def expire(self, now: float) -> None:
        """Idle, or too slow with its head, or lingering for too long."""
        if self.user is not None:
            return
        if self._received and self._lingering_bytes < 0:
            self._refuse(RequestTimeout("the request did not come in time"), now)
        else:
            self.transport.abort()

    def linger(self) -> None:
        """Close so that the client surely reads our last answer: end our side, and read on for a while."""
        self._received = b""
        if self._has_ended or self.transport.is_closing():
            self.close()
            return
        self._lingering_bytes = 0
        self.write_eof()
        self.resume_reading()
        self.plane.deadlines.arm(self, self.plane.clock() + _LINGER_SECONDS)

    def _linger_on(self, size: int) -> None:
        self._lingering_bytes += size
        if self._lingering_bytes > _LINGER_BYTES:
            self.transport.abort()

    def leave_when_idle(self) -> None:
        """The worker leaves: an idle client is not closed now, its next answer says Connection: close."""
        if self.user is None and self._lingering_bytes < 0:
            self.plane.deadlines.arm(self, min(self.deadline, self.plane.clock() + self.plane.limits.idle_timeout))

    def write_eof(self) -> None:
        """Say that no more comes from us."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """Close once what was written has gone out."""
        self.transport.close()

    def cut(self, *, reset: bool) -> None:
        """Break the connection; with a reset where its end would make an answer look complete."""
        if self.transport.is_closing():
            return
        if not reset:
            self.transport.close()
            return
        opened = self.transport.get_extra_info("socket")
        if opened is not None and opened.family != socket.AF_UNIX:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        plane = self.plane
        plane.forget_client(self)
        plane.deadlines.forget(self)
        user, self.user = self.user, None
        if user is not None:
            user.client_lost()
