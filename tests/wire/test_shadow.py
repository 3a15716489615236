"""Shadow: whatever becomes of a copy, no primary waits for it or fails by it, and the sum is exact."""

from __future__ import annotations

import pytest

from proxy.rules import Version
from proxy.strategies.rolling import Rolling
from proxy.strategies.shadow import Shadow
from tests.wire.messages import wire
from tests.wire.people import Script
from tests.wire.stage import ABOUT, OK, TARGET, Stage, play, shop
from tests.wire.transcript import Say

SHADOW = TARGET + 1


def shadowed(**keys: object) -> object:
    return shop(
        versions={
            "v1": Version(targets=(f"http://10.0.0.1:{TARGET}",)),
            "next": Version(targets=(f"http://10.0.0.1:{SHADOW}",)),
        },
        rolling=Rolling(version="v1"),
        shadow=(Shadow(version="next", **keys),),  # type: ignore[arg-type]
    )


def ask(method: str = "GET", *fields: str, body: str = "") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    return wire(f"{method} / HTTP/1.1", "Host: shop", *fields, *length, "", body)


def played(says: bytes, shadow: Script | None, count: int = 1, piece_bytes: int = 1 << 18, **keys: object) -> Stage:
    """One client asks; all its primaries are answered at once, whatever the shadow does."""
    primary = Script([Say(OK)] * count)
    scripts = {TARGET: primary} if shadow is None else {TARGET: primary, SHADOW: shadow}

    async def scene(stage: Stage) -> None:
        client = await stage.client(says)
        await stage.settle()
        assert [answer.body for answer in client.answers()] == [b"ok"] * count
        assert max(outcome.duration for outcome in stage.notes.outcomes) < 0.1
        await stage.settle(10)

    return play(scene, scripts=scripts, services=[shadowed(**keys)], piece_bytes=piece_bytes)  # type: ignore[list-item]


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_a_copy_carries_its_mark_and_is_otherwise_the_request(piece_bytes: int) -> None:
    script = Script([Say(OK)])
    stage = played(ask("POST", body="hello"), script, piece_bytes=piece_bytes, methods=("POST",))
    [heard] = script.heard
    about = tuple(ABOUT.split(b"\r\n"))
    assert heard.head == (b"POST / HTTP/1.1", b"Host: shop", b"Content-Length: 5", *about, b"x-shunt-shadow: 1")
    assert heard.body == b"hello"
    assert stage.notes.verdicts == ["answered"]


def test_a_copy_of_a_chunked_body_is_whole() -> None:
    script = Script([Say(OK)])
    says = wire("POST / HTTP/1.1", "Host: shop", "Transfer-Encoding: chunked", "", "2", "he", "3", "llo", "0", "", "")
    assert played(says, script, methods=("POST",)).notes.verdicts == ["answered"]
    assert script.heard[0].body == b"hello"


@pytest.mark.parametrize(("host", "heard"), [("target", b"10.0.0.1:9002"), ("literal", b"literal")])
def test_a_copy_s_host_may_be_another(host: str, heard: bytes) -> None:
    script = Script([Say(OK)])
    played(ask(), script, host=host)
    assert script.heard[0].field(b"host") == heard


_ENDS: list[tuple[Script | None, str]] = [
    (None, "failed_connect"),
    (Script([Say(b"", then="reset")] * 8), "failed_reset"),
    (Script([Say(b"x\r\n\r\n")] * 8), "failed_reset"),
    (Script([Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", then="eof")] * 8), "failed_reset"),
    (
        Script([Say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n", then="eof")] * 8),
        "failed_reset",
    ),
    (Script([]), "failed_timeout"),
    (Script([Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow")] * 8), "failed_timeout"),
    (Script([Say(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")] * 8), "answered"),
    (Script([Say(b"HTTP/1.0 200 OK\r\n\r\nuntil close", then="eof")] * 8), "answered"),
    (Script([Say(b"HTTP/1.1 103 X\r\n\r\n" + OK)] * 8), "answered"),
]


@pytest.mark.parametrize(("script", "verdict"), _ENDS)
def test_whatever_a_shadow_does_no_primary_waits_and_the_sum_is_exact(script: Script | None, verdict: str) -> None:
    stage = played(ask() * 4, script, count=4)
    assert stage.notes.verdicts == [verdict] * 4


@pytest.mark.parametrize(
    ("says", "keys", "verdict"),
    [
        (ask("POST", body="hello"), {}, "skipped_method"),
        (ask(), {"percent": 10}, "skipped_sampled"),
        (ask("POST", body="hello"), {"methods": ("POST",), "max_body": 3}, "skipped_size"),
        (ask("GET", "Connection: Upgrade", "Upgrade: websocket"), {}, "skipped_upgrade"),
        (ask(), {"max_in_flight": 0}, "dropped_in_flight"),
        (ask(), {"max_bytes": 10}, "dropped_bytes"),
    ],
)
def test_every_copy_left_out_is_counted_with_its_reason(says: bytes, keys: dict[str, object], verdict: str) -> None:
    script = Script([Say(OK)])
    assert played(says, script, **keys).notes.verdicts == [verdict]
    assert script.heard == []


def test_a_chunked_body_that_grows_too_long_is_not_mirrored() -> None:
    script = Script([Say(OK)])
    says = wire("POST / HTTP/1.1", "Host: shop", "Transfer-Encoding: chunked", "", "5", "hello", "0", "", "")
    assert played(says, script, methods=("POST",), max_body=3).notes.verdicts == ["skipped_size"]


def test_a_request_that_breaks_off_is_not_mirrored() -> None:
    script = Script([Say(OK)])

    async def scene(stage: Stage) -> None:
        client = await stage.client(ask("POST", body="hello")[:-2])
        await stage.settle()
        client.transport.reset()
        await stage.settle()

    service = shadowed(methods=("POST",))
    stage = play(scene, scripts={TARGET: Script(), SHADOW: script}, services=[service])  # type: ignore[list-item]
    assert stage.notes.verdicts == ["skipped_aborted"]
    assert script.heard == []


def test_a_hundred_at_once_are_counted_exactly() -> None:
    stage = played(ask() * 100, Script([]), count=100, max_in_flight=10)
    assert stage.notes.verdicts.count("dropped_in_flight") == 90
    assert stage.notes.verdicts.count("failed_timeout") == 10
