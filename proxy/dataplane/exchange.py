"""An exchange: one request and its response on their way through.

Its life: planned and claimed in one step, sent, perhaps tried again, answered, and its outcome told once.
Coroutines run only where waiting starts (connecting, backing off); all else is callbacks.
"""

from __future__ import annotations

from asyncio import TimerHandle
from math import inf

from proxy.dataplane.attempt import Attempt
from proxy.dataplane.download import Download, answer_head
from proxy.dataplane.replies import body_bytes, error_reply, redirect_reply
from proxy.dataplane.resources import Resources
from proxy.dataplane.retry import IDEMPOTENT, backoff_seconds
from proxy.dataplane.roles import Client, Copying, Held
from proxy.dataplane.tunnel import Tunnel
from proxy.dataplane.upload import Upload
from proxy.errors import (
    BadAnswer,
    HeldTooLong,
    NoTarget,
    Overloaded,
    RequestTimeout,
    ResponseTimeout,
    ShuntError,
)
from proxy.http1.body import BadBody
from proxy.http1.forwarding import response_head
from proxy.http1.request import RequestHead
from proxy.http1.response import ResponseHead
from proxy.plan import Outcome, Plan
from proxy.targets import Fleet, Target

_FAILED_STATUSES = frozenset((502, 503, 504))
_FRESH_SECONDS = 1.0
"""RULES "Retries": what must not be sent twice uses a connection that was idle for less than this."""


class Exchange(Held):
    """Carries one plan out, by one attempt after the other."""

    __slots__ = (
        "_attempt",
        "_backing_off",
        "_ends_at",
        "_keeps",
        "_tried",
        "about",
        "client",
        "copies",
        "outcome",
        "plan",
        "request",
        "resources",
        "started",
        "upload",
    )

    def __init__(self, resources: Resources, client: Client, request: RequestHead, started: float) -> None:
        self.deadline = inf
        self.is_over = False
        self.resources = resources
        self.client = client
        self.request = request
        self.started = started
        self.plan: Plan | None = None
        self.about = b""
        """The lines that say who asked, the same for every attempt."""
        self.outcome = Outcome()
        self.upload: Upload | None = None
        """None when the request has no body."""
        self.copies: list[Copying] = []
        self.fleet: Fleet | None = None
        self.target: Target | None = None
        self._attempt: Attempt | None = None
        self._tried: list[Target] = []
        self._ends_at = inf
        self._keeps = True
        self._backing_off: TimerHandle | None = None

    # --- planned ----------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Plan, claim and send, all in one step when a warm connection is there."""
        resources = self.resources
        resources.exchanges.add(self)
        try:
            plan = self.plan = resources.plan(self.request, resources.dice, now)
            hold = resources.holds.get(plan.lane.service) if resources.holds else None
            if hold is not None and not hold.is_over(now):
                hold.queue(self, now)
            else:
                self._begin_planned(plan, now)
        except ShuntError as refused:
            self._refuse(refused)

    def resume(self) -> None:
        """A hold has ended: plan anew, for the table may be another one by now."""
        self.deadline = inf
        self.begin(self.resources.clock())
        self.client.feed(self)

    def _begin_planned(self, plan: Plan, now: float) -> None:
        lane = plan.lane
        resources = self.resources
        request = self.request
        if lane.redirect is not None:
            self.outcome.status = lane.redirect.status
            self._keeps = self._keeps_client() and not request.length
            scheme = self.client.scheme.decode()
            self.client.write(redirect_reply(request, lane.redirect, scheme, close=not self._keeps))
            self._end("")
            return
        if resources.is_overloaded():
            raise Overloaded("this proxy has too many requests in flight")
        if lane.timeouts.request:
            self._ends_at = self.started + lane.timeouts.request
        if request.length:
            limits = resources.limits
            self.upload = Upload(self, lane.limits.max_body or limits.body_bytes, limits.trailer_bytes)
        resources.budget(lane.service).count(now)
        self.about = resources.outgoing.about(self.client, request)
        if plan.flag_lines:
            self.about += plan.flag_lines
        if plan.copies or plan.omitted:
            self.copies = resources.mirror.begin(request, plan, self.about)
        if self.upload is not None:
            self.client.feed(self)  # what has come of the body goes out in one write with the head
        if not self.is_over:
            self._try(plan, now)

    # --- sent -------------------------------------------------------------------------------

    def _try(self, plan: Plan, now: float, only: Fleet | None = None) -> None:
        """Claim a target and send the request to it; raises NoTarget when there is none."""
        fleet = only or plan.fleet
        tried = self._tried
        target = None
        if not tried or only is not None or not plan.stand_ins or set(fleet.targets).difference(tried):
            target = fleet.claim(now, self.resources.dice, key=plan.choice.bucket, avoid=tried)
        if target is None:
            fleet, target = self._stand_in(plan, fleet, now)
        self.fleet = fleet
        self.target = target
        self.outcome.tries += 1
        pool = self.resources.pool(target, fleet)
        attempt = self._attempt = Attempt(self, plan, fleet, target, pool, self.resources.clock())
        self.deadline = self._ends_at
        attempt.start(inf if self.request.method in IDEMPOTENT else _FRESH_SECONDS)

    def _stand_in(self, plan: Plan, fleet: Fleet, now: float) -> tuple[Fleet, Target]:
        """Failover inside a split; else the panic rule; else nobody."""
        dice = self.resources.dice
        if fleet is plan.fleet:
            for other in plan.stand_ins:
                target = other.claim(now, dice, avoid=self._tried)
                if target is not None:
                    self._note_failure("no_target")
                    return other, target
        target = fleet.claim_any(now, dice, avoid=self._tried)
        if target is None:
            self._note_failure("no_target")
            raise NoTarget("no target of this version can answer")
        return fleet, target

    def sent(self, now: float) -> None:
        """The target's time runs from the whole request on; until then the client's and the target's do."""
        plan = self.plan
        assert plan is not None
        if self.upload is not None and not self.upload.is_done and not self.request.expects_continue:
            self._wait(self.resources.limits.body_timeout, now)
        else:
            self._wait(plan.lane.answer_seconds, now)

    def _wait(self, seconds: float, now: float) -> None:
        """Expire after so many seconds, 0 for never, and in any case when the whole request's time is over."""
        deadline = now + seconds if seconds else inf
        self.deadline = deadline if deadline < self._ends_at else self._ends_at

    # --- the client's side ------------------------------------------------------------------

    def client_data(self, received: bytes) -> bytes:
        """Take what belongs to this request's body; the rest belongs to the next request."""
        upload = self.upload
        if upload is None or upload.is_done:
            return received
        rest = upload.feed(received)
        attempt = self._attempt
        if attempt is not None and attempt.connection is not None and attempt.download is None:
            self.sent(self.resources.clock())
        return rest

    def client_full(self) -> None:
        """The client takes no more bytes for now: hold the target back."""
        attempt = self._attempt
        if attempt is not None and attempt.connection is not None:
            attempt.connection.pause_reading()
            self._wait(self.resources.limits.write_timeout, self.resources.clock())

    def client_ready(self) -> None:
        """The client takes bytes again."""
        attempt = self._attempt
        if attempt is not None and attempt.connection is not None:
            attempt.connection.resume_reading()
            if attempt.download is not None:
                self.touched()

    def client_ended(self) -> None:
        """The client has sent its last byte: fine after a whole request, fatal before (RFC 9112 §8)."""
        if self.upload is not None and not self.upload.is_done:
            self._end("aborted")
            self.client.cut(reset=True)

    def client_lost(self) -> None:
        """The client is gone: nobody waits for the answer, so nothing more is asked of the target."""
        self._end("aborted")

    def _keeps_client(self) -> bool:
        """Whether the client's connection may go on after this exchange."""
        upload = self.upload
        return self.client.keeps_alive(self.request) and (upload is None or upload.is_done)

    def closes_client(self) -> None:
        """The client's connection ends with this response."""
        self._keeps = False

    # --- answered ---------------------------------------------------------------------------

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        """Pass the answer on, unless it is one that another attempt can better."""
        attempt = self._attempt
        assert attempt is not None
        status = response.status
        now = self.resources.clock()
        if self.outcome.tries == 1:
            self.outcome.first_byte = now - attempt.started
        if status in _FAILED_STATUSES:
            self._count_against(attempt)
        else:
            attempt.fleet.succeeded(attempt.target)
        if status >= 500:
            self._note_failure(str(status))
            if self._goes_on(str(status)):
                return
        self.outcome.status = status
        self._keeps = self._keeps_client()
        if 0 <= response.length <= len(rest):
            self._send_whole(response, rest, now)
        else:
            self._start_download(attempt, response, rest)

    def _send_whole(self, response: ResponseHead, rest: bytes, now: float) -> None:
        """All of the answer is here: one write, and it is done."""
        if len(rest) > response.length:
            rest = rest[: response.length]
            response.keep_alive = False  # the target said more than it was asked
        self.outcome.bytes_out += len(rest)
        self.client.write(answer_head(self, response, keeps_client=self._keeps) + rest)
        self._finish(now, is_reusable=response.keep_alive)

    def _start_download(self, attempt: Attempt, response: ResponseHead, rest: bytes) -> None:
        download = Download(self, response, self.resources.limits.trailer_bytes, keeps_client=self._keeps)
        attempt.download = download
        self.touched()
        try:
            download.start(rest)
        except BadBody:
            attempt.download = None
            self.failed("bad_answer", BadAnswer("the target's answer is malformed"))

    def touched(self) -> None:
        """Bytes of the body moved: the idle time starts again."""
        assert self.plan is not None
        self._wait(self.plan.lane.timeouts.idle, self.resources.clock())

    def finished(self, *, is_reusable: bool) -> None:
        """The response is complete."""
        self._finish(self.resources.clock(), is_reusable=is_reusable)

    def _finish(self, now: float, *, is_reusable: bool) -> None:
        """Give the connection back, tell the outcome, let the next request in."""
        attempt = self._attempt
        assert attempt is not None
        attempt.finish(now, is_reusable=is_reusable and (self.upload is None or self.upload.is_done))
        self._end("", now)

    def upgraded(self, response: ResponseHead, rest: bytes) -> None:
        """From here on bytes go both ways until one side ends."""
        attempt, plan = self._attempt, self.plan
        assert attempt is not None
        assert plan is not None
        self.outcome.first_byte = self.resources.clock() - attempt.started
        self.outcome.status = 101
        connection = attempt.take_connection()
        tunnel = Tunnel(self.resources, self.client, connection, attempt.target, plan.lane.timeouts.tunnel_idle)
        agreed = b"Connection: Upgrade\r\nUpgrade: " + response.upgrade + b"\r\n"
        self.client.write(response_head(response, agreed) + rest)
        self._tell(self.resources.clock())
        tunnel.open()

    # --- failed -----------------------------------------------------------------------------

    def failed(self, word: str, error: ShuntError, *, is_unsent: bool = False) -> None:
        """An attempt came to nothing: rescue the request, try again, or say so."""
        attempt = self._attempt
        assert attempt is not None
        self._note_failure(word)
        if word != "overloaded":
            self._count_against(attempt)
        if not self._goes_on(word, is_unsent=is_unsent):
            self._refuse(error)

    def _note_failure(self, word: str) -> None:
        """How the first try at the drawn version failed is what the judge counts."""
        if self.outcome.tries <= 1 and not self.outcome.drawn_failure:
            self.outcome.drawn_failure = word

    def _count_against(self, attempt: Attempt) -> None:
        if attempt.fleet.failed(attempt.target, self.resources.clock()):
            self.resources.observer.eject(attempt.target)

    def _goes_on(self, cause: str, *, is_unsent: bool = False) -> bool:
        """Whether another attempt follows this failure: a rescue, or a retry within its bounds."""
        plan = self.plan
        assert plan is not None
        rescuer = plan.rescuer
        if rescuer is not None and rescuer.targets and self.fleet is plan.fleet and self.may_replay():
            self._leave_attempt()
            self._try(plan, self.resources.clock(), rescuer)
            return True
        retries = plan.lane.retries
        if cause not in retries.on or self.outcome.tries >= retries.attempts:
            return False
        if not (self.may_replay() or (is_unsent and (self.upload is None or self.upload.is_replayable))):
            return False
        now = self.resources.clock()
        if now >= self._ends_at:
            return False
        if is_unsent and self._searches_on(plan, now):
            return True
        if self.fleet is rescuer or not self.resources.budget(plan.lane.service).spend(now, retries):
            return False
        self._leave_attempt()
        wait_seconds = backoff_seconds(retries, self.outcome.tries, self.resources.dice.random())
        self._backing_off = self.resources.loop.call_later(wait_seconds, self._after_backoff, plan)
        return True

    def _searches_on(self, plan: Plan, now: float) -> bool:
        """Nobody has got the request yet: it goes to the next target, which is no retry that could become a storm."""
        fleet, attempt = self.fleet, self._attempt
        if fleet is None or attempt is None or not fleet.untried((*self._tried, attempt.target)):
            return False
        self._leave_attempt()
        self._try(plan, now, fleet)
        return True

    def _after_backoff(self, plan: Plan) -> None:
        self._backing_off = None
        try:
            self._try(plan, self.resources.clock())
        except NoTarget as nobody:
            self._refuse(nobody)

    def may_replay(self) -> bool:
        """Idempotent, no head of an answer at the client yet, and the body still at hand."""
        return (
            self.request.method in IDEMPOTENT
            and (self._attempt is None or self._attempt.download is None)
            and (self.upload is None or self.upload.is_replayable)
        )

    def _leave_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._tried.append(attempt.target)
            attempt.leave()
        if self.upload is not None:
            self.upload.stop()
        self.target = None
        self.deadline = self._ends_at

    def expire(self, now: float) -> None:
        """A wait has reached its bound: whose fault was it?"""
        attempt = self._attempt
        if self.outcome.tries == 0:
            self._refuse(HeldTooLong("the service is on hold"))
        elif attempt is not None and attempt.download is not None:
            self.broke_off()
        elif self.upload is not None and not self.upload.is_done and not self.client.is_reading_paused:
            self._refuse(RequestTimeout("the request's body did not come in time"))
        elif now >= self._ends_at or attempt is None:
            self._note_failure("timeout")
            self._refuse(ResponseTimeout("the request took too long"))
        else:
            self.failed("timeout", ResponseTimeout("the target did not answer in time"))

    def fail_upload(self, error: ShuntError) -> None:
        """The body is at fault: the request at the target stays unfinished."""
        if self._attempt is None or self._attempt.download is None:
            self._refuse(error)
        else:
            self.broke_off()

    # --- the end ----------------------------------------------------------------------------

    def _refuse(self, error: ShuntError) -> None:
        """Answer with an error of our own."""
        self.outcome.status = error.status
        request = self.request
        is_body_read = not request.length or (self.upload is not None and self.upload.is_done)
        self._keeps = self._keeps_client() and is_body_read and error.status != 400
        if not request.request_id:
            request.request_id = self.resources.outgoing.new_id()
        without_body = request.method == b"HEAD"
        reply = error_reply(error, request.request_id, close=not self._keeps, without_body=without_body)
        self.outcome.bytes_out += body_bytes(reply)
        self.client.write(reply)
        self._end(error.word)

    def broke_off(self) -> None:
        """The answer broke off: it must not look complete to the client."""
        download = self._attempt.download if self._attempt is not None else None
        is_delimited = download is not None and download.is_delimited
        self._end("cut")
        self.client.cut(reset=not is_delimited)

    def _end(self, cause: str, now: float | None = None) -> None:
        if self.is_over:
            return
        self.outcome.cause = cause
        if self._backing_off is not None:
            self._backing_off.cancel()
        if now is None:
            now = self.resources.clock()
        self._tell(now)
        if cause not in ("cut", "aborted"):
            self.client.exchange_done(now, keep_alive=self._keeps)

    def _tell(self, now: float) -> None:
        """Count out, and hand the outcome over: exactly once."""
        self.is_over = True
        resources = self.resources
        resources.exchanges.discard(self)
        for copy in self.copies:
            copy.primary_ended()
        outcome, request = self.outcome, self.request
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            outcome.target = attempt.target
            outcome.answered_by = "" if outcome.cause else attempt.target.version
            outcome.upstream = now - attempt.started
            attempt.leave()
        outcome.plan = self.plan
        outcome.duration = now - self.started
        outcome.method = request.method
        outcome.path = request.path
        outcome.host = request.wire_host
        outcome.is_http10 = request.is_http10
        outcome.client = request.client
        outcome.request_id = request.request_id
        outcome.trace_id = request.trace_id
        # An upload knows its exchange: let go, so that neither waits for the cycle collector.
        upload, self.upload = self.upload, None
        if upload is not None:
            outcome.bytes_in = upload.payload_bytes
        resources.on_outcome(outcome)
