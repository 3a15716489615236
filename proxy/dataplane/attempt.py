"""An attempt: one request at one target, from the claim to the head of the answer; then it carries the body."""

from __future__ import annotations

from math import inf
from typing import Protocol

from proxy.dataplane.download import Download
from proxy.dataplane.resources import Resources
from proxy.dataplane.roles import Client
from proxy.dataplane.upload import Upload
from proxy.dataplane.upstream import Pool, TargetConnection
from proxy.errors import BadAnswer, ConnectFailed, ConnectionReset, ShuntError
from proxy.http1.forwarding import is_forwarded_upgrade, response_head
from proxy.http1.request import RequestHead
from proxy.http1.response import ResponseHead, check_beginning, parse_response
from proxy.plan import Plan
from proxy.targets import Fleet, Target


class Owner(Protocol):
    """The exchange, as its attempts see it."""

    resources: Resources
    client: Client
    request: RequestHead
    upload: Upload | None
    about: bytes

    def sent(self, now: float) -> None:
        """The head, and what has come of the body, is on its way: the wait for the answer begins."""

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        """The head of the final answer is here, with what came behind it."""

    def upgraded(self, response: ResponseHead, rest: bytes) -> None:
        """The target switched protocols, as the client asked."""

    def failed(self, word: str, error: ShuntError, *, is_unsent: bool = False) -> None:
        """It came to nothing before there was an answer; `is_unsent`: not a byte was handed to the kernel."""

    def broke_off(self) -> None:
        """The connection broke within the answer's body."""

    def may_replay(self) -> bool:
        """Whether the request can be sent once more without harm."""
        ...


class Attempt:
    """The user of at most one connection; claimed when it was made, released exactly once."""

    __slots__ = (
        "_early",
        "_is_over",
        "_owner",
        "_plan",
        "connection",
        "download",
        "fleet",
        "pool",
        "started",
        "target",
    )

    def __init__(self, owner: Owner, plan: Plan, fleet: Fleet, target: Target, pool: Pool, now: float) -> None:
        self._owner = owner
        self._plan = plan
        self.fleet = fleet
        self.target = target
        self.pool = pool
        self.started = now
        self.connection: TargetConnection | None = None
        self.download: Download | None = None
        """Set once the answer's head was passed on and its body is still to come."""
        self._early = b""
        """The beginning of a head that is not complete yet."""
        self._is_over = False

    # --- connect and send -------------------------------------------------------------------

    def start(self, idle_at_most: float) -> None:
        """Send on a connection that was idle for at most so many seconds, else on a fresh one."""
        connection = self.pool.take(idle_at_most)
        if connection is not None:
            self._send(connection, self.started)
        else:
            self._owner.resources.spawn(self._connect_and_send())

    async def _connect_and_send(self) -> None:
        timeouts = self._plan.lane.timeouts
        try:
            connection = await self.pool.connect(timeouts.connect, timeouts.response)
        except ShuntError as refused:
            if not self._is_over:
                word = "connect" if isinstance(refused, ConnectFailed) else "overloaded"
                self._owner.failed(word, refused, is_unsent=True)
            return
        if self._is_over:
            self.pool.give_back(connection)
        elif connection.transport.is_closing():
            self._owner.failed("connect", ConnectFailed("the target closed the connection"), is_unsent=True)
        else:
            self._send(connection, self._owner.resources.clock())

    def _send(self, connection: TargetConnection, now: float) -> None:
        self.connection = connection
        connection.user = self
        owner = self._owner
        head = owner.resources.outgoing.head(owner.request, self._plan, self.fleet, owner.about)
        if owner.upload is None:
            connection.transport.write(head)
        else:
            owner.upload.start(connection, head)
        owner.sent(now)

    # --- the answer -------------------------------------------------------------------------

    def target_data(self, received: bytes) -> None:
        """Bytes of the answer."""
        if self.download is not None:
            self.download.feed(received)
            return
        try:
            self._read_head(received)
        except BadAnswer as malformed:
            connection = self.connection
            if connection is not None and connection.used and self._owner.may_replay():
                # What an earlier answer left behind on a kept connection is not this request's fault.
                connection.abort()
                self._start_afresh()
            else:
                self._owner.failed("bad_answer", malformed)

    def _read_head(self, received: bytes) -> None:
        if self._early:
            received = self._early + received
        to_head = self._owner.request.method == b"HEAD"
        while received:
            end = received.find(b"\r\n\r\n") + 4
            if end < 4 or end > self._owner.resources.limits.response_head_bytes:
                break
            whole = end == len(received)
            response = parse_response(received if whole else received[:end], to_head=to_head)
            received = b"" if whole else received[end:]
            if response.status >= 200:
                self._early = b""
                self._owner.answered(response, received)
                return
            if response.status == 101:
                self._upgrade(response, received)
                return
            self._interim(response)
        self._keep_early(received)

    def _keep_early(self, received: bytes) -> None:
        """The beginning of a head: kept, unless it can become none."""
        if len(received) > self._owner.resources.limits.response_head_bytes:
            raise BadAnswer("the target's answer has too large a head")
        check_beginning(received)
        self._early = received

    def _upgrade(self, response: ResponseHead, rest: bytes) -> None:
        """101 opens a tunnel, once the client has said all of its request (RFC 9110 §7.8)."""
        upload = self._owner.upload
        if not response.upgrade or not self._owner.request.upgrade or not is_forwarded_upgrade(self._owner.request):
            raise BadAnswer("the target switched protocols unasked")
        if upload is not None and not upload.is_done:
            raise BadAnswer("the target switched protocols before the request had ended")
        self._owner.upgraded(response, rest)

    def _interim(self, response: ResponseHead) -> None:
        """1xx: passed on to who understands it (RFC 9110 §15.2)."""
        request = self._owner.request
        if not request.is_http10 and (response.status != 100 or request.expects_continue):
            self._owner.client.write(response_head(response, b""))

    def target_ended(self) -> None:
        """The target closed its side: the end of a close-delimited body, too early for any other."""
        if self.download is not None and self.download.ends_with_connection:
            self.download.finish()

    def target_lost(self) -> None:
        """The connection broke before the answer was complete."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if self.download is not None:
            self._owner.broke_off()
        elif connection.used and not self._early and self._owner.may_replay():
            # The target closed a kept connection at the moment of reuse. That is no failure of its; a fresh one is.
            self._start_afresh()
        else:
            self._owner.failed("reset", ConnectionReset("the target closed the connection before it answered"))

    def _start_afresh(self) -> None:
        self.connection = None
        self._early = b""
        self.pool.close_idle()
        if self._owner.upload is not None:
            self._owner.upload.stop()
        self.start(inf)

    def target_full(self) -> None:
        """The target takes no more bytes for now: hold the client back."""
        self._owner.client.pause_reading()

    def target_ready(self) -> None:
        """The target takes bytes again."""
        self._owner.client.resume_reading()

    # --- the end ----------------------------------------------------------------------------

    def finish(self, now: float, *, is_reusable: bool) -> None:
        """The answer is complete: keep the connection if nothing can be left on it."""
        connection, self.connection = self.connection, None
        if connection is not None:
            if is_reusable:
                connection.pool.give_back(connection, now)
            else:
                connection.close()

    def take_connection(self) -> TargetConnection:
        """Hand the connection over to a tunnel."""
        connection, self.connection = self.connection, None
        assert connection is not None
        return connection

    def leave(self) -> None:
        """Let go: an unfinished connection is cut, and the target is counted out."""
        if self._is_over:
            return
        self._is_over = True
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        self.target.release()
