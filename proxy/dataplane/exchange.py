"""An exchange: one request and its response on their way through.

Its life: planned and claimed in one step, sent, perhaps tried again, answered, and its outcome told once.
Coroutines run only where waiting starts (connecting, backing off); all else is callbacks.
"""

from __future__ import annotations

from asyncio import TimerHandle
from math import inf

from proxy.dataplane.download import Download
from proxy.dataplane.replies import error_reply, redirect_reply
from proxy.dataplane.resources import Resources
from proxy.dataplane.retry import IDEMPOTENT, backoff_seconds
from proxy.dataplane.roles import Client, Copying, Held
from proxy.dataplane.tunnel import Tunnel
from proxy.dataplane.upload import Upload
from proxy.dataplane.upstream import Pool, TargetConnection
from proxy.errors import (
    BadAnswer,
    ConnectFailed,
    ConnectionReset,
    HeldTooLong,
    NoTarget,
    Overloaded,
    RequestTimeout,
    ResponseTimeout,
    ShuntError,
)
from proxy.http1.forwarding import is_forwarded_upgrade, response_head
from proxy.http1.request import RequestHead
from proxy.http1.response import ResponseHead, parse_response
from proxy.plan import Outcome, Plan
from proxy.targets import Fleet, Target

_FAILED_STATUSES = frozenset((502, 503, 504))
_FRESH_SECONDS = 1.0
"""RULES "Retries": what must not be sent twice uses a connection that was idle for less than this."""


class Exchange(Held):
    """Carries one plan out; the user of at most one connection to a target at a time."""

    __slots__ = (
        "_backing_off",
        "_early",
        "_ends_at",
        "_first_try_at",
        "_is_rescue",
        "_keeps",
        "_try_at",
        "about",
        "client",
        "connection",
        "copies",
        "download",
        "outcome",
        "plan",
        "pool",
        "request",
        "resources",
        "started",
        "tried",
        "tries",
        "upload",
    )

    def __init__(self, resources: Resources, client: Client, request: RequestHead, started: float) -> None:
        super().__init__()
        self.resources = resources
        self.client = client
        self.request = request
        self.started = started
        self.plan: Plan | None = None
        self.about = b""
        """The lines that say who asked, the same for every try."""
        self.outcome = Outcome()
        self.upload: Upload | None = None
        """None when the request has no body."""
        self.download: Download | None = None
        """None until the response's head was passed on, and when it came whole."""
        self.connection: TargetConnection | None = None
        self.pool: Pool | None = None
        self.fleet: Fleet | None = None
        self.target: Target | None = None
        self.tried: list[Target] = []
        self.tries = 0
        self.copies: list[Copying] = []
        self._early = b""
        """The beginning of a response's head that is not complete yet."""
        self._try_at = self._first_try_at = 0.0
        self._ends_at = inf
        self._is_rescue = False
        self._keeps = True
        self._backing_off: TimerHandle | None = None

    # --- planning ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Plan, claim and send, all in one step when a warm connection is there."""
        resources = self.resources
        resources.exchanges.add(self)
        try:
            now = resources.clock()
            plan = self.plan = resources.plan(self.request, resources.dice, now)
            hold = resources.holds.get(plan.lane.service) if resources.holds else None
            if hold is not None and not hold.is_over(now):
                hold.queue(self, now)
                return
            self._begin_planned(plan, now)
        except ShuntError as refused:
            self.fail(refused)

    def resume(self) -> None:
        """A hold has ended: plan anew, for the table may be another one by now."""
        self.deadline = inf
        self.begin()

    def _begin_planned(self, plan: Plan, now: float) -> None:
        lane = plan.lane
        resources = self.resources
        if lane.redirect is not None:
            self.outcome.status = lane.redirect.status
            self._keeps = self._keeps_client() and not self.request.length
            scheme = self.client.scheme.decode()
            self._answer(redirect_reply(self.request, lane.redirect, scheme, close=not self._keeps))
            return
        if resources.is_overloaded():
            raise Overloaded("this proxy has too many requests in flight")
        if lane.timeouts.request:
            self._ends_at = self.started + lane.timeouts.request
        if self.request.length:
            limits = resources.limits
            self.upload = Upload(self, lane.limits.max_body or limits.body_bytes, limits.trailer_bytes)
        resources.budget(lane.service).count(now)
        self.about = resources.outgoing.about(self.client.peer, self.client.scheme, self.request)
        if plan.copies or plan.omitted:
            self.copies = resources.mirror.begin(self.request, plan, self.about)
        self._try(now)

    # --- trying -----------------------------------------------------------------------------

    def _try(self, now: float, only: Fleet | None = None) -> None:
        """Claim a target and send the request to it; raises NoTarget when there is none."""
        plan = self.plan
        assert plan is not None
        fleet = only or plan.fleet
        target = None
        if not self.tried or only is not None or not plan.stand_ins or set(fleet.targets) - set(self.tried):
            target = fleet.claim(now, self.resources.dice, key=plan.choice.bucket, avoid=self.tried)
        if target is None:
            fleet, target = self._stand_in(plan, fleet, now)
        self.fleet = fleet
        self.target = target
        self.tries += 1
        self._try_at = now
        if self.tries == 1:
            self._first_try_at = now
        pool = self.pool = self.resources.pool(target, fleet)
        connection = pool.take(inf if self.request.method in IDEMPOTENT else _FRESH_SECONDS)
        if connection is not None:
            self._send(connection)
        else:
            self._connect(pool)

    def _stand_in(self, plan: Plan, fleet: Fleet, now: float) -> tuple[Fleet, Target]:
        """Failover inside a split; else the panic rule; else nobody."""
        if self.tries == 0:
            self.outcome.drawn_failure = "no_target"
        if fleet is plan.fleet:
            for other in plan.stand_ins:
                target = other.claim(now, self.resources.dice, avoid=self.tried)
                if target is not None:
                    return other, target
        target = fleet.claim_any(now, self.resources.dice, avoid=self.tried)
        if target is None:
            raise NoTarget("no target of this version can answer")
        if self.tries == 0:
            self.outcome.drawn_failure = ""
        return fleet, target

    def _connect(self, pool: Pool) -> None:
        assert self.plan is not None
        self.deadline = inf
        if self._ends_at < inf:
            self.resources.deadlines.arm(self, self._ends_at)
        self.resources.spawn(self._connect_and_send(pool, self.tries))

    async def _connect_and_send(self, pool: Pool, attempt: int) -> None:
        assert self.plan is not None
        timeouts = self.plan.lane.timeouts
        try:
            connection = await pool.connect(timeouts.connect, timeouts.response)
        except ShuntError as refused:
            if self.tries == attempt and not self.is_over and self.connection is None:
                word = "connect" if isinstance(refused, ConnectFailed) else "overloaded"
                self._try_failed(word, refused, is_unsent=True)
            return
        if self.tries != attempt or self.is_over or self.connection is not None or pool is not self.pool:
            pool.give_back(connection)
        elif connection.transport.is_closing():
            self._try_failed("connect", ConnectFailed("the target closed the connection"), is_unsent=True)
        else:
            self._send(connection)

    def _send(self, connection: TargetConnection) -> None:
        """Hand the head, and what has come of the body, to the kernel."""
        assert self.plan is not None
        self.connection = connection
        connection.user = self
        assert self.fleet is not None
        head = self.resources.outgoing.head(self.request, self.plan, self.fleet, self.about)
        upload = self.upload
        if upload is None:
            connection.transport.write(head)
            self._wait_for_answer()
        else:
            upload.start(connection, head)
            if upload.is_done or self.request.expects_continue:
                self._wait_for_answer()
            else:
                self._arm(self.plan.lane.timeouts.idle)

    def _wait_for_answer(self) -> None:
        """From now on the target has so long until its head is there."""
        assert self.plan is not None
        seconds = self.plan.lane.timeouts.response
        per_try = self.plan.lane.retries.per_try
        self._arm(min(seconds, per_try) if per_try and seconds else seconds or per_try)

    def _arm(self, seconds: float) -> None:
        deadline = self.resources.clock() + seconds if seconds else inf
        self.resources.deadlines.arm(self, min(deadline, self._ends_at))

    # --- the client's side ------------------------------------------------------------------

    def client_data(self, received: bytes) -> bytes:
        """Take what belongs to this request's body; the rest belongs to the next request."""
        upload = self.upload
        if upload is None or upload.is_done:
            return received
        rest = upload.feed(received)
        if not self.is_over and self.connection is not None and self.download is None:
            if upload.is_done:
                self._wait_for_answer()
            else:
                assert self.plan is not None
                self._arm(self.plan.lane.timeouts.idle)
        return rest

    def client_full(self) -> None:
        """The client takes no more bytes for now: hold the target back."""
        if self.connection is not None and self.download is not None:
            self.connection.transport.pause_reading()
            self._arm(self.resources.limits.write_timeout)

    def client_ready(self) -> None:
        """The client takes bytes again."""
        if self.connection is not None:
            self.connection.transport.resume_reading()

    def client_ended(self) -> None:
        """The client has sent its last byte: fine after a whole request, fatal before (RFC 9112 §8)."""
        if self.upload is not None and not self.upload.is_done:
            self._end("aborted")
            self.client.cut(reset=True)

    def client_lost(self) -> None:
        """The client is gone: nobody waits for the answer, so nothing more is asked of the target."""
        self._end("aborted")

    # --- the target's side ------------------------------------------------------------------

    def target_data(self, received: bytes) -> None:
        """Bytes of the response."""
        if self.download is not None:
            self.download.feed(received)
            return
        try:
            self._read_head(received)
        except BadAnswer as malformed:
            self._try_failed("bad_answer", malformed)

    def _read_head(self, received: bytes) -> None:
        if self._early:
            received = self._early + received
        end = received.find(b"\r\n\r\n") + 4
        if end < 4 or end > self.resources.limits.response_head_bytes:
            if len(received) > self.resources.limits.response_head_bytes:
                raise BadAnswer("the target's answer has too large a head")
            self._early = received
            return
        self._early = b""
        whole = end == len(received)
        head = received if whole else received[:end]
        response = parse_response(head, to_head=self.request.method == b"HEAD")
        rest = b"" if whole else received[end:]
        if response.status < 200:
            self._interim(response, rest)
        elif not self._is_refused(response):
            self._pass_on(response, rest)

    def _interim(self, response: ResponseHead, rest: bytes) -> None:
        """1xx: passed on to who understands it; 101 opens a tunnel (RFC 9110 §15.2)."""
        if response.status == 101:
            if not self.request.upgrade or not is_forwarded_upgrade(self.request):
                raise BadAnswer("the target switched protocols unasked")
            self._upgrade(response, rest)
            return
        if not self.request.is_http10 and (response.status != 100 or self.request.expects_continue):
            self.client.write(response_head(response, b""))
        if rest:
            self._read_head(rest)

    def _is_refused(self, response: ResponseHead) -> bool:
        """Whether this answer is given up for another try; notes what the judge and the passive check must know."""
        status = response.status
        self._note_first_byte()
        assert self.fleet is not None
        assert self.target is not None
        if status < 500:
            self.fleet.succeeded(self.target)
            return False
        if status in _FAILED_STATUSES:
            self._target_failed()
        else:
            self.fleet.succeeded(self.target)
        if self.tries == 1 and not self.outcome.drawn_failure:
            self.outcome.drawn_failure = str(status)
        return self._goes_on(str(status))

    def _note_first_byte(self) -> None:
        if self.tries == 1:
            self.outcome.first_byte = self.resources.clock() - self._first_try_at

    def _pass_on(self, response: ResponseHead, rest: bytes) -> None:
        """Send the response's head to the client, and the body as it comes."""
        self.outcome.status = response.status
        self._keeps = self._keeps_client()
        download = Download(self, response, self.resources.limits.trailer_bytes, keeps_client=self._keeps)
        if download.send_whole(rest):
            self.target_done(is_reusable=response.keep_alive)
            return
        self.download = download
        assert self.plan is not None
        self._arm(self.plan.lane.timeouts.idle)
        download.start(rest)

    def _keeps_client(self) -> bool:
        """Whether the client's connection goes on after this exchange."""
        upload = self.upload
        return self.client.keeps_alive(self.request) and (upload is None or upload.is_done)

    def touched(self) -> None:
        """Bytes of the body moved: the idle time starts again."""
        assert self.plan is not None
        idle = self.plan.lane.timeouts.idle
        self.deadline = min(self.resources.clock() + idle if idle else inf, self._ends_at)

    def target_done(self, *, is_reusable: bool) -> None:
        """The response is complete: give the connection back, tell the outcome, let the next request in."""
        connection = self.connection
        assert connection is not None
        self.connection = None
        if is_reusable and (self.upload is None or self.upload.is_done) and not connection.is_tunnel:
            connection.pool.give_back(connection)
        else:
            connection.close()
        self._end("")

    def target_ended(self) -> None:
        """The target closed its side: the end of a close-delimited body, too early for any other."""
        if self.download is not None and self.download.ends_with_connection:
            self.download.finish()

    def target_lost(self) -> None:
        """The connection broke before the response was complete."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if self.download is not None:
            self.cut()
        elif connection.used and not self._early and self._may_replay():
            # The target closed a kept connection at the moment of reuse: no try was made, so none is counted.
            self._replay_at_once(connection)
        else:
            self._try_failed("reset", ConnectionReset("the target closed the connection before it answered"))

    def _replay_at_once(self, stale: TargetConnection) -> None:
        pool = stale.pool
        pool.close_idle()
        self._connect(pool)

    def target_full(self) -> None:
        """The target takes no more bytes for now: hold the client back."""
        self.client.pause_reading()

    def target_ready(self) -> None:
        """The target takes bytes again."""
        self.client.resume_reading()

    # --- when a try fails -------------------------------------------------------------------

    def _try_failed(self, word: str, error: ShuntError, *, is_unsent: bool = False) -> None:
        """A try came to nothing: rescue it, try again, or say so."""
        if self.tries == 1 and not self.outcome.drawn_failure:
            self.outcome.drawn_failure = word
        if word != "overloaded":
            self._target_failed()
        if not self._goes_on(word, is_unsent=is_unsent):
            self.fail(error)

    def _target_failed(self) -> None:
        assert self.fleet is not None
        assert self.target is not None
        if self.fleet.failed(self.target, self.resources.clock()):
            self.resources.observer.eject(self.target)

    def _goes_on(self, cause: str, *, is_unsent: bool = False) -> bool:
        """Whether another try was started after this failure."""
        plan = self.plan
        assert plan is not None
        retries = plan.lane.retries
        rescuer = plan.rescuer
        if rescuer is not None and rescuer.targets and self.fleet is plan.fleet and self._may_replay():
            self._is_rescue = True
            self._leave_target()
            return self._try_again(0.0, rescuer)
        if self._is_rescue or cause not in retries.on or self.tries >= retries.attempts:
            return False
        if not (self._may_replay() or (is_unsent and (self.upload is None or self.upload.is_replayable))):
            return False
        now = self.resources.clock()
        if now >= self._ends_at or not self.resources.budget(plan.lane.service).spend(now, retries):
            return False
        self._leave_target()
        return self._try_again(backoff_seconds(retries, self.tries, self.resources.dice.random()), None)

    def _try_again(self, wait_seconds: float, only: Fleet | None) -> bool:
        """Start the next try now or after a back-off; False when there is no target for it."""
        if wait_seconds > 0:
            self.deadline = inf
            self._backing_off = self.resources.loop.call_later(wait_seconds, self._after_backoff)
            return True
        return self._tries_now(only)

    def _after_backoff(self) -> None:
        self._backing_off = None
        if not self.is_over and not self._tries_now(None):
            self.fail(NoTarget("no target of this version can answer"))

    def _tries_now(self, only: Fleet | None) -> bool:
        try:
            self._try(self.resources.clock(), only)
        except NoTarget:
            return False
        return True

    def _may_replay(self) -> bool:
        """Idempotent, not a byte at the client yet, and the body still at hand."""
        return (
            self.request.method in IDEMPOTENT
            and self.download is None
            and (self.upload is None or self.upload.is_replayable)
        )

    def _leave_target(self) -> None:
        """Let go of the target of a failed try."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        if self.target is not None:
            self.tried.append(self.target)
            self.target.release()
            self.target = None
        self._early = b""

    # --- the end ----------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """A wait has reached its bound: whose fault was it?"""
        if self.target is None:
            self.fail(HeldTooLong("the service is on hold"))
        elif self.download is not None:
            self.cut()
        elif self.upload is not None and not self.upload.is_done and not self.client.is_reading_paused:
            self.fail(RequestTimeout("the request's body did not come in time"))
        elif now >= self._ends_at:
            if self.tries == 1 and not self.outcome.drawn_failure:
                self.outcome.drawn_failure = "timeout"
            self.fail(ResponseTimeout("the request took too long"))
        else:
            self._try_failed("timeout", ResponseTimeout("the target did not answer in time"))

    def fail(self, error: ShuntError) -> None:
        """Answer with an error of our own."""
        outcome = self.outcome
        outcome.cause = error.word
        outcome.status = error.status
        self._keeps = (
            self._keeps_client() and error.status != 400 and (self.upload is not None or not self.request.length)
        )
        without_body = self.request.method == b"HEAD"
        self._answer(error_reply(error, self.request.request_id, close=not self._keeps, without_body=without_body))

    def _answer(self, reply: bytes) -> None:
        self.client.write(reply)
        self._end(self.outcome.cause)

    def fail_upload(self, error: ShuntError) -> None:
        """The body is at fault: the request at the target stays unfinished."""
        if self.download is None:
            self.fail(error)
        else:
            self.cut()

    def cut(self) -> None:
        """The answer broke off: it must not look complete to the client."""
        is_delimited = self.download is not None and self.download.is_delimited
        self._end("cut")
        self.client.cut(reset=not is_delimited)

    def closes_client(self) -> None:
        """The client's connection ends with this response."""
        self._keeps = False

    def _upgrade(self, response: ResponseHead, rest: bytes) -> None:
        """From here on bytes go both ways until one side ends."""
        connection = self.connection
        assert connection is not None
        assert self.plan is not None
        assert self.target is not None
        self.connection = None
        self._note_first_byte()
        self.outcome.status = 101
        tunnel = Tunnel(self.resources, self.client, connection, self.target, self.plan.lane.timeouts.tunnel_idle)
        agreed = b"Connection: Upgrade\r\nUpgrade: " + response.upgrade + b"\r\n"
        self.client.write(response_head(response, agreed) + rest)
        self._tell()
        tunnel.open()

    @property
    def is_over(self) -> bool:
        """Whether the outcome was told."""
        return self not in self.resources.exchanges

    def _end(self, cause: str) -> None:
        if self.is_over:
            return
        self.outcome.cause = cause
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        if self._backing_off is not None:
            self._backing_off.cancel()
        self._tell()
        if cause not in ("cut", "aborted"):
            self.client.exchange_done(keep_alive=self._keeps)

    def _tell(self) -> None:
        """Count out, and hand the outcome over: exactly once."""
        resources = self.resources
        resources.exchanges.discard(self)
        resources.deadlines.forget(self)
        for copy in self.copies:
            copy.primary_ended()
        outcome = self.outcome
        now = resources.clock()
        if self.target is not None:
            outcome.target = self.target
            outcome.answered_by = self.target.version if outcome.status and not outcome.cause else ""
            outcome.upstream = now - self._try_at
            self.target.release()
            self.target = None
        outcome.plan = self.plan
        outcome.tries = self.tries
        outcome.duration = now - self.started
        request = self.request
        outcome.method = request.method
        outcome.path = request.path
        outcome.client = request.client
        outcome.request_id = request.request_id
        outcome.trace_id = request.trace_id
        if self.upload is not None:
            outcome.bytes_in = self.upload.payload_bytes
        resources.on_outcome(outcome)
