"""Plan and Outcome: all that is decided before the first byte goes out, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from proxy.edits import edits_of
from proxy.model import Choice
from proxy.rules import Headers, Limits, Redirect, Retries, Rewrite, Timeouts
from proxy.strategies.shadow import Shadow, Unheard
from proxy.targets import Fleet, Target


class Lane:
    """What holds for every request of one route: made once per table."""

    __slots__ = (
        "answer_seconds",
        "balance",
        "expose_version",
        "limits",
        "prefix",
        "redirect",
        "request_edits",
        "rescue",
        "response_edits",
        "retries",
        "rewrite",
        "route",
        "service",
        "timeouts",
    )

    def __init__(
        self,
        service: str,
        route: str,
        *,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        rescue: bool = True,
        limits: Limits | None = None,
        headers: Headers | None = None,
        rewrite: Rewrite | None = None,
        redirect: Redirect | None = None,
        expose_version: bool = False,
        prefix: bytes = b"",
        balance: str = "least_busy",
    ) -> None:
        self.service = service
        self.route = route
        """The route's name, "" for the service's own strategy."""
        self.timeouts = timeouts or Timeouts()
        self.retries = retries or Retries()
        waits = [seconds for seconds in (self.timeouts.response, self.retries.per_try) if seconds]
        self.answer_seconds = min(waits, default=0.0)
        """How long one try may take until the head of its answer; 0: for ever."""
        self.rescue = rescue
        self.limits = limits or Limits()
        self.request_edits, self.response_edits = edits_of(headers)
        self.rewrite = rewrite
        self.redirect = redirect
        self.expose_version = expose_version
        self.prefix = prefix
        """The path prefix that the route matched, for `rewrite.prefix`."""
        self.balance = balance


class Copy(NamedTuple):
    """One version that also hears the request."""

    fleet: Fleet
    shadow: Shadow


class Omitted(NamedTuple):
    """One version that was to hear the request and does not: counted as skipped, never sent."""

    version: str
    cause: Unheard


@dataclass(slots=True)
class Plan:
    """All that is decided about one request. Never changed once the table has handed it out."""

    lane: Lane
    fleet: Fleet
    """The version that was drawn or chosen; the judge counts this one."""
    choice: Choice
    stand_ins: tuple[Fleet, ...] = ()
    """Versions of the split that may answer when `fleet` has no usable target, best first."""
    rescuer: Fleet | None = None
    """Stable, when the drawn candidate's failure may be replayed there."""
    copies: tuple[Copy, ...] = ()
    minted: bytes | None = None
    """A fresh identity: the response sets it as the cookie `shunt_id`."""
    omitted: tuple[Omitted, ...] = ()
    """Copies left out by method or by chance, so that the shadow's sum is exact."""
    flag_lines: bytes = b""
    """What the application is told of feature flags, as lines of the request's head."""


class Outcome:
    """What became of an exchange; one per request, handed to statistics, access log and judge."""

    __slots__ = (
        "answered_by",
        "bytes_in",
        "bytes_out",
        "cause",
        "client",
        "drawn_failure",
        "duration",
        "first_byte",
        "host",
        "is_http10",
        "method",
        "path",
        "plan",
        "request_id",
        "status",
        "target",
        "trace_id",
        "tries",
        "upstream",
    )

    def __init__(self) -> None:
        self.plan: Plan | None = None
        """None when the request was refused before it was planned."""
        self.target: Target | None = None
        """The target that answered in the end."""
        self.answered_by = ""
        """The version that answered: not the drawn one after failover and rescue; "" for ourselves."""
        self.status = 0
        """The status that the client got; 0 when it left before any, 499 in logs."""
        self.cause = ""
        """The `x-shunt-error` of our own answer; `aborted`: the client left; `cut`: the body broke off; else ""."""
        self.drawn_failure = ""
        """How the *first* try at the drawn version failed: a word (`connect`, `no_target`) or `500`; else ""."""
        self.first_byte = -1.0
        """Seconds from the request sent to the first try's first byte; below 0 when there was none."""
        self.upstream = -1.0
        """Seconds from the last try's start to its end; below 0 when no target was asked."""
        self.duration = 0.0
        """Seconds from the request's first byte to the response's last."""
        self.tries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.method = b""
        self.path = b""
        self.host = b""
        """As the client wrote it, with a port where it named one."""
        self.is_http10 = False
        self.client = ""
        self.request_id = b""
        self.trace_id = b""
