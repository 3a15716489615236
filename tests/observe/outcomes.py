"""Outcomes as the data plane would report them, made by hand."""

from __future__ import annotations

from proxy.model import Choice
from proxy.plan import Lane, Outcome, Plan
from proxy.rules import Rolling, Route, Rules, Service, Version
from proxy.targets import Address, Fleet, Target


def fleet(version: str, *, service: str = "shop", port: int = 8080) -> Fleet:
    """One version with one target on loopback."""
    return Fleet(service, version, (Target(service, version, Address("http", "127.0.0.1", port)),))


def answered(
    drawn: Fleet | None = None,
    by: Fleet | None = None,
    *,
    lane: Lane | None = None,
    rescuer: Fleet | None = None,
    status: int = 200,
    tries: int = 1,
    drawn_failure: str = "",
    choice: Choice | None = None,
) -> Outcome:
    """An exchange that a target answered: 10 ms in all, 8 of them the target's."""
    drawn = drawn or fleet("v1")
    by = by or drawn
    outcome = Outcome()
    choice = choice or Choice(drawn.version, "canary", randomised=True, weight=0.1, bucket=1 << 31)
    outcome.plan = Plan(lane or Lane(drawn.service, ""), drawn, choice, rescuer=rescuer)
    outcome.target = by.targets[0]
    outcome.answered_by = by.version
    outcome.status, outcome.tries, outcome.drawn_failure = status, tries, drawn_failure
    outcome.duration, outcome.upstream, outcome.first_byte = 0.010, 0.008, 0.007
    outcome.bytes_in, outcome.bytes_out = 100, 1000
    outcome.method, outcome.path, outcome.client = b"GET", b"/cart", "127.0.0.1"
    outcome.host = b"shop.test:8080"
    outcome.request_id, outcome.trace_id = b"r-1", b"0af7651916cd43dd8448eb211c80319c"
    return outcome


def unanswered(cause: str, *, status: int = 503, drawn: Fleet | None = None) -> Outcome:
    """An exchange that was planned and that the proxy answered itself."""
    outcome = answered(drawn, status=status)
    outcome.target, outcome.answered_by, outcome.upstream, outcome.tries = None, "", -1.0, 0
    outcome.cause = cause
    return outcome


def refused(cause: str, status: int = 404) -> Outcome:
    """A request that never got a plan."""
    outcome = Outcome()
    outcome.status, outcome.cause = status, cause
    outcome.method, outcome.path, outcome.client = b"GET", b"/", "127.0.0.1"
    return outcome


def rules(*versions: str, routes: tuple[str, ...] = ()) -> Rules:
    """The service `shop` with these versions, each on the same target, and these routes."""
    service = Service(
        name="shop",
        hosts=("*",),
        versions={version: Version(targets=("http://127.0.0.1:8080",)) for version in versions},
        rolling=Rolling(version=versions[0]),
        routes=tuple(Route(name=name) for name in routes),
    )
    return Rules(services={"shop": service})
