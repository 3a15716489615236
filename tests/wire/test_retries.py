"""Retries: what may be sent again is, what may not never reaches a target twice, and a storm stays small."""

from __future__ import annotations

import pytest

from proxy.rules import Eject, Limits, Pool, Retries, Timeouts, Version
from proxy.strategies.canary import Canary
from tests.wire.messages import wire
from tests.wire.people import Script
from tests.wire.stage import OK, TARGET, Stage, play, shop
from tests.wire.transcript import Say

OTHER = TARGET + 1
BAD = wire("HTTP/1.1 503 Busy", "Content-Length: 4", "", "busy")
ERROR = wire("HTTP/1.1 500 Oops", "Content-Length: 4", "", "oops")
_SPLIT = {
    "versions": {
        "stable": Version(targets=(f"http://10.0.0.1:{TARGET}",)),
        "candidate": Version(targets=(f"http://10.0.0.1:{OTHER}",)),
    },
}


def ask(method: str, body: str = "") -> bytes:
    lines = [f"{method} / HTTP/1.1", "Host: shop"]
    return wire(*lines, f"Content-Length: {len(body)}", "", body) if body else wire(*lines, "", "")


def answer_to(says: bytes, scripts: dict[int, Script], **keys: object) -> tuple[int, bytes, Stage]:
    """What a client gets for one request: status, body, and the stage to look at."""
    got: list[tuple[int, bytes]] = []

    async def scene(stage: Stage) -> None:
        client = await stage.client(says)
        await stage.settle(35)
        [answer] = client.answers(says.split(b" ")[0])
        got.append((answer.status, answer.body))

    stage = play(scene, scripts=scripts, **keys)  # type: ignore[arg-type]
    return *got[0], stage


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])
@pytest.mark.parametrize(
    "failure", [Say(b"", then="close"), Say(b"", then="reset"), Say(BAD), Say(b"HTTP/1", then="close")]
)
def test_idempotent_requests_are_tried_again_on_another_target(method: str, failure: Say) -> None:
    answers = [failure, Say(OK)]
    scripts = {TARGET: Script(answers), OTHER: Script(answers)}
    status, _, stage = answer_to(
        ask(method, "hello" if method == "PUT" else ""), scripts, services=[shop(TARGET, OTHER)]
    )
    assert status == 200
    assert stage.notes.outcomes[0].tries == 2
    assert [len(script.heard) for script in scripts.values()] == [1, 1]
    bodies = {request.body for script in scripts.values() for request in script.heard}
    assert bodies == {b"hello" if method == "PUT" else b""}


@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW"])
@pytest.mark.parametrize(
    ("failure", "status"),
    [(Say(b"", then="close"), 502), (Say(b"", then="reset"), 502), (Say(BAD), 503), (Say(b"x"), 502)],
)
def test_a_post_never_reaches_a_target_twice(method: str, failure: Say, status: int) -> None:
    answers = [failure, Say(OK)]
    scripts = {TARGET: Script(answers), OTHER: Script(answers)}
    got, _, _ = answer_to(ask(method, "hello"), scripts, services=[shop(TARGET, OTHER)])
    assert got == status
    assert sum(len(script.heard) for script in scripts.values()) == 1


def test_a_post_whose_connection_failed_is_sent_to_another_target() -> None:
    tries = []
    for chance in (0.0, 0.9):
        script = Script([Say(OK)])
        status, _, stage = answer_to(
            ask("POST", "hello"), {OTHER: script}, services=[shop(TARGET, OTHER)], chance=chance
        )
        assert (status, len(script.heard)) == (200, 1)
        tries.append(stage.notes.outcomes[0].tries)
    assert sorted(tries) == [1, 2]


def test_attempts_counts_all_tries_and_the_last_answer_is_passed_on() -> None:
    script = Script([Say(BAD)] * 9)
    status, body, stage = answer_to(
        ask("GET"), {TARGET: script}, services=[shop(retries=Retries(attempts=4, backoff=0))]
    )
    assert (status, body, stage.notes.outcomes[0].tries, len(script.heard)) == (503, b"busy", 4, 4)


def test_a_500_is_no_cause_for_a_retry_unless_it_is_listed() -> None:
    assert answer_to(ask("GET"), {TARGET: Script([Say(ERROR), Say(OK)])})[0] == 500
    listed = shop(retries=Retries(on=("500",)))
    assert answer_to(ask("GET"), {TARGET: Script([Say(ERROR), Say(OK)])}, services=[listed])[0] == 200


def test_timeouts_are_retried_only_when_listed() -> None:
    hanging = Say(b"HTTP/1")
    assert answer_to(ask("GET"), {TARGET: Script([hanging, Say(OK)])})[0] == 504
    listed = shop(retries=Retries(on=("timeout",), per_try=1))
    status, _, stage = answer_to(ask("GET"), {TARGET: Script([hanging, Say(OK)])}, services=[listed])
    assert status == 200
    assert stage.notes.outcomes[0].duration < 2


def test_a_request_s_whole_time_bounds_its_tries() -> None:
    service = shop(timeouts=Timeouts(request=2), retries=Retries(on=("timeout",), per_try=1, attempts=99, budget=100))
    status, _, stage = answer_to(ask("GET"), {TARGET: Script([Say(b"H")] * 99)}, services=[service])
    assert status == 504
    assert stage.notes.outcomes[0].duration < 3


def test_a_long_body_is_not_kept_for_another_try() -> None:
    status, _, stage = answer_to(ask("PUT", "x" * 70_000), {TARGET: Script([Say(b"", then="close"), Say(OK)])})
    assert (status, stage.notes.outcomes[0].tries) == (502, 1)


def test_the_budget_keeps_retries_from_becoming_a_storm() -> None:
    script = Script([Say(BAD)] * 1000)

    async def scene(stage: Stage) -> None:
        client = await stage.client(ask("GET") * 100)
        await stage.settle(5)
        assert [answer.status for answer in client.answers()] == [503] * 100

    stage = play(scene, scripts={TARGET: script}, services=[shop(retries=Retries(backoff=0))])
    assert sum(outcome.tries for outcome in stage.notes.outcomes) <= 100 + 100 * 0.2 + 2 * 3


def test_a_target_that_takes_no_connections_is_a_502() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(ask("GET"))
        await stage.settle(10)
        [answer] = client.answers()
        assert (answer.status, answer.field(b"x-shunt-error")) == (502, b"connect")

    play(scene, scripts={})


# --- pooled connections -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_kept_connection_that_the_target_closes_at_reuse_is_replaced_unseen(method: str) -> None:
    script = Script([Say(OK), Say(b"", then="reset"), Say(OK)])

    async def scene(stage: Stage) -> None:
        client = await stage.client(ask(method, "one"))
        await stage.settle()
        client.transport.write(ask(method, "two"))
        await stage.settle()
        assert [answer.status for answer in client.answers()] == [200, 200]

    stage = play(scene, scripts={TARGET: script}, services=[shop(retries=Retries(attempts=1))])
    assert [outcome.tries for outcome in stage.notes.outcomes] == [1, 1]
    assert stage.notes.outcomes[1].drawn_failure == ""
    assert script.heard[-1].body == b"two"


def test_what_an_earlier_answer_left_on_a_kept_connection_spoils_no_later_request() -> None:
    """A body behind the answer to a HEAD, in a read of its own, when the next request is on its way already."""
    leftover = b"<html>no body was asked for</html>"
    script = Script([Say(wire("HTTP/1.1 200 OK", "Content-Length: 34", "", "")), Say(leftover), Say(OK)])

    async def scene(stage: Stage) -> None:
        client = await stage.client(ask("HEAD") + ask("GET"))
        await stage.settle()
        assert [answer.body for answer in client.answers(b"HEAD")] == [b"", b"ok"]

    play(scene, scripts={TARGET: script})


def test_what_must_not_be_sent_twice_takes_no_connection_that_was_idle_for_long() -> None:
    script = Script([Say(OK)] * 3)

    async def scene(stage: Stage) -> None:
        client = await stage.client(ask("POST"))
        await stage.settle(0.5)
        client.transport.write(ask("POST"))
        await stage.settle(0.2)
        assert len(script.connections) == 1
        await stage.settle(1.5)
        client.transport.write(ask("POST"))
        await stage.settle()
        assert len(script.connections) == 2

    play(scene, scripts={TARGET: script})


def test_idle_connections_are_closed_before_the_target_would() -> None:
    script = Script([Say(OK)])

    async def scene(stage: Stage) -> None:
        await stage.client(ask("GET"))
        await stage.settle(3.5)
        assert script.connections[0].ending == "open"
        await stage.settle(1)
        assert script.connections[0].ending == "closed"

    play(scene, scripts={TARGET: script}, services=[shop(pool=Pool(idle=4))])


def test_more_requests_than_connections_wait_their_turn_and_more_than_that_are_told() -> None:
    script = Script([])
    service = shop(limits=Limits(max_connections=1, max_pending=2), retries=Retries(attempts=1))

    async def scene(stage: Stage) -> None:
        clients = [await stage.client(ask("GET")) for _ in range(4)]
        await stage.settle()
        assert [client.answers()[0].status for client in clients if client.heard] == [503]
        script.answers += [Say(OK)] * 3
        for connection in script.connections:
            connection.data_received(b"")
        await stage.settle()
        assert sorted(client.answers()[0].status for client in clients) == [200, 200, 200, 503]

    play(scene, scripts={TARGET: script}, services=[service])
    assert len(script.connections) == 1


# --- rescue, failover ---------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Say(ERROR), Say(BAD), Say(b"", then="reset"), Say(b"x\r\n\r\n")])
def test_a_candidate_s_failure_is_rescued_by_stable_and_counted_against_the_candidate(failure: Say) -> None:
    service = shop(canary=Canary(stable="stable", candidate="candidate", weight=60), **_SPLIT)
    scripts = {TARGET: Script([Say(OK)]), OTHER: Script([failure])}
    status, body, stage = answer_to(ask("GET"), scripts, services=[service], chance=0.1)
    [outcome] = stage.notes.outcomes
    assert (status, body) == (200, b"ok")
    assert outcome.plan is not None
    assert (outcome.plan.fleet.version, outcome.answered_by) == ("candidate", "stable")
    assert outcome.drawn_failure


def test_a_post_is_not_rescued() -> None:
    service = shop(canary=Canary(stable="stable", candidate="candidate", weight=60), **_SPLIT)
    scripts = {TARGET: Script([Say(OK)]), OTHER: Script([Say(ERROR)])}
    assert answer_to(ask("POST"), scripts, services=[service], chance=0.1)[:2] == (500, b"oops")
    assert scripts[TARGET].heard == []


def test_a_rescue_is_tried_once() -> None:
    service = shop(canary=Canary(stable="stable", candidate="candidate", weight=60), **_SPLIT)
    scripts = {TARGET: Script([Say(BAD)] * 9), OTHER: Script([Say(ERROR)] * 9)}
    assert answer_to(ask("GET"), scripts, services=[service], chance=0.1)[:2] == (503, b"busy")
    assert [len(script.heard) for script in scripts.values()] == [1, 1]


def test_without_rescue_the_client_sees_the_candidate_s_error() -> None:
    service = shop(canary=Canary(stable="stable", candidate="candidate", weight=60), rescue=False, **_SPLIT)
    scripts = {TARGET: Script([Say(OK)]), OTHER: Script([Say(ERROR)])}
    assert answer_to(ask("GET"), scripts, services=[service], chance=0.1)[:2] == (500, b"oops")


@pytest.mark.parametrize("failover", [True, False])
def test_another_version_of_the_split_stands_in_for_one_without_targets(*, failover: bool) -> None:
    canary = Canary(stable="stable", candidate="candidate", weight=60, failover=failover)
    service = shop(canary=canary, drained=("candidate",), **_SPLIT)
    scripts = {TARGET: Script([Say(OK)]), OTHER: Script([Say(OK)])}
    status, _, stage = answer_to(ask("GET"), scripts, services=[service], chance=0.1)
    [outcome] = stage.notes.outcomes
    assert status == (200 if failover else 503)
    assert outcome.drawn_failure == "no_target"
    assert scripts[OTHER].heard == []


def test_failing_targets_rest_but_never_the_last() -> None:
    scripts = {TARGET: Script([Say(BAD)] * 40), OTHER: Script([Say(OK)] * 40)}
    service = shop(TARGET, OTHER, eject=Eject(after=2), retries=Retries(backoff=0), balance="round_robin")

    async def scene(stage: Stage) -> None:
        client = await stage.client(ask("GET") * 20)
        await stage.settle(3)
        assert {answer.status for answer in client.answers()} == {200}

    play(scene, scripts=scripts, services=[service])
    assert len(scripts[TARGET].heard) == 2
