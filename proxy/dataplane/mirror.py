"""The mirror: copies for shadows, fire and forget; whatever happens here, no primary waits for it or fails by it.

Each eligible request comes to exactly one end: skipped, dropped, answered or failed.
"""

from __future__ import annotations

from math import inf

from proxy.dataplane.deadlines import Deadlined
from proxy.dataplane.resources import Resources
from proxy.dataplane.roles import Copying
from proxy.dataplane.upstream import Pool, TargetConnection
from proxy.errors import BadAnswer, ShuntError
from proxy.http1.body import CHUNKED, UNTIL_CLOSE, BadBody, Body, UntilCloseBody, body_of, chunk, last_chunk
from proxy.http1.request import RequestHead
from proxy.http1.response import parse_response
from proxy.observe.stats import Verdict
from proxy.plan import Copy, Plan
from proxy.targets import Target

_MARK = b"x-shunt-shadow: 1\r\n"


class Spending:
    """What the copies of one shadow use up now."""

    __slots__ = ("held_bytes", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self.held_bytes = 0


class Mirror:
    """The shadows' own pools and budgets, apart from everything that primaries use."""

    __slots__ = ("_pools", "_resources", "_spending", "copies")

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._pools: dict[Target, Pool] = {}
        self._spending: dict[tuple[str, str], Spending] = {}
        self.copies: set[MirroredRequest] = set()

    def begin(self, request: RequestHead, plan: Plan, about: bytes) -> list[Copying]:
        """The copies that this request starts; every one that it does not start is counted with its reason."""
        tell = self._resources.observer.shadow
        for omitted in plan.omitted:
            tell(
                plan.lane.service, omitted.version, "skipped_method" if omitted.cause == "method" else "skipped_sampled"
            )
        started: list[Copying] = []
        for copy in plan.copies:
            key = (plan.lane.service, copy.shadow.version)
            spending = self._spending.get(key)
            if spending is None:
                spending = self._spending[key] = Spending()
            refusal = self._refusal(request, copy, spending)
            if refusal is not None:
                tell(*key, refusal)
            else:
                started.append(MirroredRequest(self, self._resources, request, plan, copy, about, spending))
        return started

    def _refusal(self, request: RequestHead, copy: Copy, spending: Spending) -> Verdict | None:
        shadow = copy.shadow
        if request.upgrade:
            return "skipped_upgrade"
        if shadow.max_body and request.length > shadow.max_body:
            return "skipped_size"
        if self._resources.sheds_shadows():
            return "dropped_shed"
        if spending.in_flight >= shadow.max_in_flight:
            return "dropped_in_flight"
        if spending.held_bytes + max(request.length, 0) + len(request.head) > shadow.max_bytes:
            return "dropped_bytes"
        return None

    def pool(self, target: Target, copy: Copy) -> Pool:
        """The shadow's own connections to a target."""
        pool = self._pools.get(target)
        if pool is None:
            resources = self._resources
            pool = Pool(target, copy.fleet.pool, copy.fleet.limits, resources.deadlines, resources.clock)
            self._pools[target] = pool
        return pool

    def retire(self, target: Target) -> None:
        """No table names this target any more."""
        pool = self._pools.pop(target, None)
        if pool is not None:
            pool.close_idle()

    def close(self) -> None:
        """Let go of everything."""
        for copy in list(self.copies):
            copy.end("failed_reset")
        for pool in self._pools.values():
            pool.close_all()


class MirroredRequest(Deadlined):
    """One copy: gathers the body while the primary streams it, then asks the shadow and throws the answer away."""

    __slots__ = (
        "_about",
        "_answer",
        "_body",
        "_connection",
        "_copy",
        "_early",
        "_held_bytes",
        "_is_complete",
        "_keeps",
        "_mirror",
        "_plan",
        "_request",
        "_resources",
        "_spending",
        "_was_reused",
    )

    def __init__(
        self,
        mirror: Mirror,
        resources: Resources,
        request: RequestHead,
        plan: Plan,
        copy: Copy,
        about: bytes,
        spending: Spending,
    ) -> None:
        super().__init__()
        self._mirror = mirror
        self._resources = resources
        self._request = request
        self._plan = plan
        self._copy = copy
        self._about = about
        self._spending = spending
        self._body: list[bytes] = []
        self._held_bytes = len(request.head)
        self._connection: TargetConnection | None = None
        self._answer: Body | None = None
        self._early = b""
        self._keeps = False
        self._was_reused = False
        self._is_complete = False
        spending.in_flight += 1
        spending.held_bytes += self._held_bytes
        self._mirror.copies.add(self)
        if not request.length:
            self.complete(b"")

    # --- gathering --------------------------------------------------------------------------

    def feed(self, payload: bytes) -> None:
        """A piece of the primary's body."""
        if self not in self._mirror.copies:
            return
        shadow = self._copy.shadow
        self._held_bytes += len(payload)
        self._spending.held_bytes += len(payload)
        if shadow.max_body and self._held_bytes - len(self._request.head) > shadow.max_body:
            self.end("skipped_size")
        elif self._spending.held_bytes > shadow.max_bytes:
            self.end("dropped_bytes")
        else:
            self._body.append(payload)

    def complete(self, trailers: bytes) -> None:
        """The whole request is here: send it, after the primary has had its turn."""
        if self not in self._mirror.copies or self._is_complete:
            return
        self._is_complete = True
        if self._request.length == CHUNKED:
            payload = b"".join(self._body)
            self._body = [chunk(payload) if payload else b"", last_chunk(trailers)]
        self._resources.loop.call_soon(self._ask)

    def primary_ended(self) -> None:
        """The primary is over; a copy whose body never became whole is not sent."""
        if not self._is_complete and self in self._mirror.copies:
            self.end("skipped_aborted")

    # --- asking -----------------------------------------------------------------------------

    def _ask(self) -> None:
        resources = self._resources
        if self not in self._mirror.copies:
            return
        now = resources.clock()
        timeout = self._copy.shadow.timeout
        if timeout:
            resources.deadlines.arm(self, now + timeout)
        usable = [target for target in self._copy.fleet.targets if target.is_usable(now)]
        if not usable:
            self.end("failed_connect")
            return
        target = usable[int(resources.dice.random() * len(usable))]
        pool = self._mirror.pool(target, self._copy)
        connection = pool.take()
        if connection is not None:
            self._was_reused = True
            self._send(connection)
        else:
            resources.spawn(self._connect_and_send(pool))

    async def _connect_and_send(self, pool: Pool) -> None:
        timeouts = self._plan.lane.timeouts
        try:
            connection = await pool.connect(timeouts.connect, self._copy.shadow.timeout)
        except ShuntError:
            self.end("failed_connect")
            return
        if self not in self._mirror.copies or connection.transport.is_closing():
            pool.give_back(connection)
            self.end("failed_connect")
        else:
            self._was_reused = False
            self._send(connection)

    def _send(self, connection: TargetConnection) -> None:
        self._connection = connection
        connection.user = self
        head = self._resources.outgoing.head(self._request, self._plan, self._copy.fleet, self._about, _MARK)
        host = self._copy.shadow.host
        if host != "preserve":
            address = connection.pool.target.address
            head = with_host(head, f"{address.host}:{address.port}" if host == "target" else host)
        connection.transport.write(b"".join((head, *self._body)))

    # --- its answer, which nobody hears ------------------------------------------------------

    def target_data(self, received: bytes) -> None:
        """Bytes of the answer: read to their end, so that the connection can be used again."""
        try:
            if self._answer is None:
                rest = self._read_head(received)
                if rest is None:
                    return
                received = rest
            assert self._answer is not None
            _, behind = self._answer.feed(received)
        except (BadAnswer, BadBody):
            self.end("failed_reset")
            return
        if self._answer.done:
            self._keeps = self._keeps and not behind
            self.end("answered")

    def _read_head(self, received: bytes) -> bytes | None:
        """What follows the final head, or None when it has not come yet."""
        received = self._early + received
        while True:
            end = received.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(received) > self._resources.limits.response_head_bytes:
                    raise BadAnswer("the shadow's answer has too large a head")
                self._early = received
                return None
            response = parse_response(received[:end], to_head=self._request.method == b"HEAD")
            received = received[end:]
            if response.status == 101:
                raise BadAnswer("the shadow switched protocols unasked")
            if response.status >= 200:
                self._answer = body_of(response.length)
                self._keeps = response.keep_alive and response.length != UNTIL_CLOSE
                return received

    def target_ended(self) -> None:
        """The shadow closed its side: an answer may end so."""
        if isinstance(self._answer, UntilCloseBody):
            self.end("answered")

    def target_lost(self) -> None:
        """The connection broke; a kept one that was closed at the moment of reuse is replaced once."""
        self._connection = None
        if self._was_reused and self._answer is None and not self._early and self._request.method in (b"GET", b"HEAD"):
            self._was_reused = False
            usable = self._copy.fleet.targets
            if usable:
                target = usable[int(self._resources.dice.random() * len(usable))]
                self._resources.spawn(self._connect_and_send(self._mirror.pool(target, self._copy)))
                return
        self.end("failed_reset")

    def target_full(self) -> None:
        """The budget of bytes bounds what waits."""

    def target_ready(self) -> None:
        """Nothing was held back."""

    def expire(self, now: float) -> None:
        """The shadow took too long."""
        self.end("failed_timeout")

    def end(self, verdict: Verdict) -> None:
        """Come to the one end."""
        resources = self._resources
        if self not in self._mirror.copies:
            return
        self._mirror.copies.discard(self)
        resources.deadlines.forget(self)
        self.deadline = inf
        self._spending.in_flight -= 1
        self._spending.held_bytes -= self._held_bytes
        connection, self._connection = self._connection, None
        if connection is not None:
            if verdict == "answered" and self._keeps:
                connection.pool.give_back(connection)
            else:
                connection.abort()
        resources.observer.shadow(self._plan.lane.service, self._copy.shadow.version, verdict)


def with_host(head: bytes, host: str) -> bytes:
    """The head with another Host."""
    start = head.lower().find(b"\r\nhost:")
    line = b"\r\nHost: " + host.encode("latin-1")
    if start < 0:
        end = head.find(b"\r\n")
        return head[:end] + line + head[end:]
    end = head.find(b"\r\n", start + 2)
    return head[:start] + line + head[end:]
