"""Errors of our own: a line for people, a word for machines, an id for both, and nothing of the inside."""

from __future__ import annotations

import pytest

from proxy.conditions import Text, When
from proxy.rules import Retries, Route, Service, Version
from proxy.strategies.rolling import Rolling
from tests.wire.messages import wire
from tests.wire.people import Script
from tests.wire.stage import TARGET, Stage, play, shop
from tests.wire.transcript import Say

SECRETS = (b"10.0.0.1", b"9001", b"v1", b"shop-inner", b"proxy/", b"asyncio", b"Errno")


def _inner(**keys: object) -> Service:
    return shop(versions={"v1": Version(targets=(f"http://10.0.0.1:{TARGET}",))}, **keys)


_ROUTED = Service(
    name="shop-inner",
    hosts=("*",),
    versions={"v1": Version(targets=(f"http://10.0.0.1:{TARGET}",)), "v2": Version(targets=())},
    routes=(Route(name="only", match=When(path=Text(exact="/only")), rolling=Rolling(version="v1")),),
)
_HOSTED = Service(name="shop-inner", hosts=("a.b",), versions={"v1": Version(targets=("http://10.0.0.1:9001",))})


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("service", "say", "status", "word"),
    [
        (_HOSTED, None, 404, b"no_service"),
        (_ROUTED, None, 404, b"no_route"),
        (_inner(drained=("v1",)), None, 503, b"no_target"),
        (_inner(), None, 502, b"connect"),
        (_inner(), Say(b"", then="reset"), 502, b"reset"),
        (_inner(), Say(b"x\r\n\r\n"), 502, b"bad_answer"),
        (_inner(), Say(b"HTTP/1."), 504, b"timeout"),
    ],
)
@pytest.mark.parametrize("request_id", ["", "mine"])
def test_an_error_of_ours_says_enough_and_nothing_of_the_inside(
    service: Service, say: Say | None, status: int, word: bytes, method: str, request_id: str
) -> None:
    fields = [f"x-request-id: {request_id}"] if request_id else []

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(f"{method} / HTTP/1.1", "Host: shop", *fields, "", ""))
        await stage.settle(32)
        [answer] = client.answers(method.encode())
        assert (answer.status, answer.field(b"x-shunt-error")) == (status, word)
        assert answer.field(b"x-request-id") == (request_id.encode() or b"ab" * 16)
        assert answer.field(b"content-type") == b"text/plain; charset=utf-8"
        assert b"\r\nDate: " in client.heard
        if method != "HEAD":
            assert answer.body.endswith(b"\n")
            assert answer.body.count(b"\n") == 1
        assert (answer.field(b"retry-after") == b"1") is (status == 503)
        assert not any(secret in client.heard for secret in SECRETS)
        assert stage.notes.outcomes[0].request_id == answer.field(b"x-request-id")

    scripts = {} if say is None else {TARGET: Script([say] * 9)}
    if service.drained or service is _ROUTED or service is _HOSTED:
        scripts = {TARGET: Script()}
    play(scene, scripts=scripts, services=[service])


def test_the_answer_of_a_target_is_not_an_error_of_ours() -> None:
    bad = wire("HTTP/1.1 503 Busy", "x-shunt-error: lie", "Content-Length: 0", "", "")

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire("GET / HTTP/1.1", "Host: shop", "", ""))
        await stage.settle(3)
        [answer] = client.answers()
        assert (answer.status, answer.field(b"x-shunt-error"), answer.field(b"x-request-id")) == (503, None, None)

    play(scene, scripts={TARGET: Script([Say(bad)] * 9)}, services=[shop(retries=Retries(attempts=2))])
