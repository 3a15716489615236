"""Forwarding: what ends at a gateway ends here, what it must say is added, everything else stays byte for byte."""

from __future__ import annotations

import pytest

from proxy.conditions import Text, When
from proxy.rules import Edits, Headers, Redirect, Rewrite, Route
from proxy.settings import Settings
from tests.wire.messages import wire
from tests.wire.people import Script
from tests.wire.stage import ABOUT, OK, REQUEST_ID, TARGET, Stage, play, shop
from tests.wire.transcript import Say, Transcript, each_way


def forwarded(promise: str, asks: tuple[str, ...], heard: tuple[str | bytes, ...], **keys: object) -> Transcript:
    """A request of the given lines, what the target hears of it, and a plain answer."""
    return Transcript(promise, wire(*asks, "", ""), [OK], wire(*heard, "", ""), OK, **keys)  # type: ignore[arg-type]


GET = "GET / HTTP/1.1"
HOST = "Host: shop"
_ABOUT_B = ABOUT.replace(b"Host: shop", b"Host: b.c:8")
_TRUSTING = Settings(trusted_proxies=("192.0.2.0/24",))


@each_way(
    forwarded(
        "hop-by-hop fields and those that Connection lists end here",
        (
            GET,
            HOST,
            "Connection: keep-alive, X-Hop,  x-other",
            "Keep-Alive: timeout=5",
            "X-Hop: 1",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic x",
            "x-HOP: 2",
            "TE: gzip",
            "X-Kept: 3",
            "Upgrade: websocket",
            "X-Other: 4",
        ),
        (GET, HOST, "X-Kept: 3", ABOUT),
    ),
    forwarded(
        "TE: trailers is passed on",
        (GET, HOST, "TE: trailers, gzip"),
        (GET, HOST, ABOUT, "Connection: TE", "TE: trailers"),
    ),
    forwarded(
        "h2c is not forwarded",
        (GET, HOST, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"),
        (GET, HOST, ABOUT),
    ),
    forwarded(
        "h2c is not forwarded, not even beside another",
        (GET, HOST, "Connection: Upgrade", "Upgrade: websocket, h2c"),
        (GET, HOST, ABOUT),
    ),
    forwarded(
        "absolute-form replaces Host",
        ("GET http://B.c:8/q?x HTTP/1.1", "Host: a"),
        ("GET /q?x HTTP/1.1", "Host: B.c:8", ABOUT.replace(b"Host: shop", b"Host: B.c:8")),
    ),
    forwarded(
        "absolute-form without a path",
        ("GET http://b.c:8?x HTTP/1.1", "X: 1", "Host: a"),
        ("GET /?x HTTP/1.1", "Host: b.c:8", "X: 1", _ABOUT_B),
    ),
    forwarded("OPTIONS *", ("OPTIONS * HTTP/1.1", HOST), ("OPTIONS * HTTP/1.1", HOST, ABOUT)),
    forwarded(
        "OPTIONS * in absolute-form",
        ("OPTIONS http://b.c:8 HTTP/1.1", "Host: a"),
        ("OPTIONS * HTTP/1.1", "Host: b.c:8", _ABOUT_B),
    ),
    forwarded(
        "paths stay byte for byte",
        ("GET /a/../%2e%2E//b%2Fc;d=1?q=%00&&r=a+b?c HTTP/1.1", HOST),
        ("GET /a/../%2e%2E//b%2Fc;d=1?q=%00&&r=a+b?c HTTP/1.1", HOST, ABOUT),
    ),
    forwarded(
        "repeated fields stay apart, in order and in their case",
        (GET, "X-b: 2", HOST, "x-B: 1", "X-b:  3\t"),
        (GET, "X-b: 2", HOST, "x-B: 1", "X-b:  3\t", ABOUT),
    ),
    forwarded("high bytes in values stay", (GET, HOST, "X: \xff\x80\xe9"), (GET, HOST, "X: \xff\x80\xe9", ABOUT)),
    forwarded("any token is a method", ("FLUSH-x / HTTP/1.1", HOST), ("FLUSH-x / HTTP/1.1", HOST, ABOUT)),
    forwarded("methods of RTSP are tokens too", ("DESCRIBE / HTTP/1.1", HOST), ("DESCRIBE / HTTP/1.1", HOST, ABOUT)),
)
def test_requests_are_forwarded_as_a_gateway_must(transcript: Transcript, way: str) -> None:
    transcript.run(way)


@each_way(
    Transcript(
        "what Connection may not remove",
        wire(
            GET,
            HOST,
            "Cookie: a",
            "Via: 1.0 x",
            "Connection: host, cookie, via, x-forwarded-for, x-request-id",
            "x-request-id: me",
            "",
            "",
        ),
        [OK],
        wire(
            GET,
            HOST,
            "Cookie: a",
            "Via: 1.0 x",
            "x-request-id: me",
            ABOUT.replace(f"\r\nx-request-id: {REQUEST_ID}".encode(), b""),
            "",
            "",
        ),
        OK,
    ),
    forwarded(
        "nobody untrusted speaks for us, under no spelling",
        (
            GET,
            HOST,
            "X-Forwarded-For: 6.6.6.6",
            "x_forwarded-for: 1",
            "X-Forwarded-Prefix: /a",
            "Forwarded: for=1",
            "X-Shunt-Version: 1",
            "X_Shunt_Flags: 1",
        ),
        (GET, HOST, ABOUT),
    ),
    forwarded(
        "a trusted proxy's words are continued",
        (
            GET,
            HOST,
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: a.b",
            "Forwarded: for=1",
            "x-shunt-flags: 1",
        ),
        (
            GET,
            HOST,
            "Forwarded: for=1",
            ABOUT.replace(b"For: 192", b"For: 198.51.100.1, 192")
            .replace(b"Proto: http", b"Proto: https")
            .replace(b"Host: shop", b"Host: a.b"),
        ),
        settings=_TRUSTING,
    ),
    forwarded(
        "an id and a trace that came are kept",
        (GET, HOST, "X-Request-Id: abc", f"traceparent: 00-{'c' * 32}-{'d' * 16}-01", "tracestate: a=b"),
        (
            GET,
            HOST,
            "X-Request-Id: abc",
            f"traceparent: 00-{'c' * 32}-{'d' * 16}-01",
            "tracestate: a=b",
            ABOUT.partition(b"\r\nx-request-id")[0],
        ),
    ),
    forwarded(
        "an id and a trace that mean nothing are replaced",
        (GET, HOST, "X-Request-Id: a b", f"traceparent: 00-{'0' * 32}-{'d' * 16}-01"),
        (GET, HOST, ABOUT),
    ),
    forwarded("Via is continued", (GET, HOST, "Via: 1.1 other"), (GET, HOST, "Via: 1.1 other", ABOUT)),
    Transcript(
        "a loop",
        wire(GET, HOST, "Via: 1.1 shunt-test, 1.1 shunt-test", "via: 1.1 shunt-test, 1.1 shunt-test", "", ""),
        refusal=(508, "loop"),
        ending="closed",
    ),
)
def test_what_is_said_about_the_client_is_ours_to_say(transcript: Transcript, way: str) -> None:
    transcript.run(way)


ASK = wire(GET, HOST, "", "")
HEARD = wire(GET, HOST, ABOUT, "", "")


@each_way(
    Transcript(
        "an answer's hop-by-hop fields end here, the rest stays as it is",
        ASK,
        [
            wire(
                "HTTP/1.1 299 \xff Odd",
                "Set-Cookie: a=1",
                "Connection: keep-alive, x-hop, set-cookie",
                "X-Hop: 1",
                "Keep-Alive: timeout=5",
                "Proxy-Authenticate: x",
                "Upgrade: h2c",
                "X-Shunt-Error: no",
                "set-cookie: b=2",
                "X: \xfe",
                "Content-Length: 0",
                "",
                "",
            )
        ],
        HEARD,
        wire("HTTP/1.1 299 \xff Odd", "Set-Cookie: a=1", "set-cookie: b=2", "X: \xfe", "Content-Length: 0", "", ""),
    ),
    Transcript(
        "a status line without reason gets its space",
        ASK,
        [wire("HTTP/1.1 200", "Content-Length: 2", "", "ok")],
        HEARD,
        wire("HTTP/1.1 200 ", "Content-Length: 2", "", "ok"),
    ),
)
def test_answers_are_forwarded_as_a_gateway_must(transcript: Transcript, way: str) -> None:
    transcript.run(way)


_EDITS = Headers(
    request=Edits(set={"X-Set": "new"}, add={"X-Add": "1"}, remove=("X-Gone",)),
    response=Edits(set={"Server": "shop"}, remove=("X-Inside",)),
)


@each_way(
    Transcript(
        "header edits, both ways",
        wire(GET, HOST, "x-set: old", "X-Gone: 1", "X-Add: 0", "", ""),
        [wire("HTTP/1.1 200 OK", "server: x", "x-inside: 1", "Content-Length: 2", "", "ok")],
        wire(GET, HOST, "X-Add: 0", ABOUT, "X-Set: new", "X-Add: 1", "", ""),
        wire("HTTP/1.1 200 OK", "Content-Length: 2", "Server: shop", "", "ok"),
        service=shop(headers=_EDITS),
        ways=("whole", "byte by byte"),
    ),
    Transcript(
        "host and prefix are rewritten",
        wire("GET /old/x%20y?z HTTP/1.1", HOST, "", ""),
        [OK],
        wire("GET /new/x%20y?z HTTP/1.1", ABOUT, "Host: inner", "", ""),
        OK,
        service=shop(
            routes=(
                Route(
                    name="old",
                    match=When(path=Text(prefix="/old")),
                    rewrite=Rewrite(host="inner", prefix="/new"),
                ),
            )
        ),
        ways=("whole", "byte by byte"),
    ),
    Transcript(
        "the version is exposed where the rules say so",
        ASK,
        [wire("HTTP/1.1 200 OK", "x-shunt-version: lie", "Content-Length: 2", "", "ok")],
        HEARD,
        wire("HTTP/1.1 200 OK", "Content-Length: 2", "x-shunt-version: v1", "", "ok"),
        service=shop(expose_version=True),
        ways=("whole", "byte by byte"),
    ),
    Transcript(
        "a redirect keeps what it does not name and asks no target",
        wire("GET /a?b HTTP/1.1", "Host: shop:8080", "x-request-id: me", "", ""),
        hears=wire(
            "HTTP/1.1 301 Moved Permanently",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Length: 0",
            "Location: https://shop:8080/a?b",
            "x-request-id: me",
            "",
            "",
        ),
        service=shop(redirect=Redirect(scheme="https", status=301)),
        ways=("whole", "byte by byte"),
    ),
)
def test_rules_change_what_they_say_and_nothing_else(transcript: Transcript, way: str) -> None:
    transcript.run(way)


WS = ("GET /ws HTTP/1.1", HOST, "Connection: keep-alive, Upgrade", "Upgrade: websocket")
WS_HEARD = wire(WS[0], HOST, ABOUT, "Connection: Upgrade", "Upgrade: websocket", "", "")
WS_YES = wire("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket", "", "")


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_a_tunnel_carries_what_came_along_with_the_handshake_both_ways(piece_bytes: int) -> None:
    script = Script([Say(WS_YES + b"hi")])

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(*WS, "", "early"))
        await stage.settle()
        client.transport.write(b"later")
        await stage.settle()
        [answer] = client.answers()
        assert answer.status == 101
        assert answer.body.startswith(b"hi<")
        assert answer.body.replace(b"><", b"") == b"hi<earlylater>"
        client.transport.write_eof()
        await stage.settle()
        assert script.connections[0].ending == "closed"
        script.connections[0].transport.write(b"bye")
        script.connections[0].transport.close()
        await stage.settle()
        assert client.heard.endswith(b"bye")
        assert client.ending == "closed"

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)
    assert script.connections[0].heard == WS_HEARD + b"earlylater"


@each_way(
    Transcript(
        "a refused upgrade is an answer like any other",
        wire(*WS, "", ""),
        [OK],
        WS_HEARD,
        OK,
    ),
    Transcript("101 unasked", ASK, [WS_YES], HEARD, refusal=(502, "bad_answer")),
    Transcript(
        "101 without a protocol",
        wire(*WS, "", ""),
        [wire("HTTP/1.1 101 X", "Connection: Upgrade", "", "")],
        WS_HEARD,
        refusal=(502, "bad_answer"),
    ),
    Transcript(
        "an Upgrade that Connection does not list",
        wire(GET, HOST, "Upgrade: websocket", "", ""),
        [OK],
        HEARD,
        OK,
    ),
)
def test_only_an_upgrade_that_both_sides_want_opens_a_tunnel(transcript: Transcript, way: str) -> None:
    transcript.run(way)
