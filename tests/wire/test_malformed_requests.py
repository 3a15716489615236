"""Malformed or ambiguous requests: answered and closed; of a faulty head nothing reaches any target."""

from __future__ import annotations

import pytest

from proxy.rules import Limits
from proxy.settings import ClientLimits, Settings
from tests.wire.messages import wire
from tests.wire.people import Say, Script
from tests.wire.stage import TARGET, Stage, play, shop
from tests.wire.transcript import Transcript, each_way

HOST = "Host: shop"
POST = "POST / HTTP/1.1"
_LIMITS = ClientLimits(head_bytes=1000, head_fields=10, target_bytes=100, trailer_bytes=50, body_bytes=10)
TIGHT = Settings(limits=_LIMITS)


def refused(promise: str, says: bytes, status: int = 400, word: str = "bad_request", **keys: object) -> Transcript:
    """A request that nobody hears of."""
    return Transcript(promise, says, refusal=(status, word), ending="closed", **keys)  # type: ignore[arg-type]


def fields(*lines: str | bytes, first: str = POST) -> Transcript:
    """A head with these field lines, refused."""
    return refused(repr((first, *lines)), wire(first, HOST, *lines, "", "5\r\nhello\r\n0\r\n\r\n"))


@each_way(
    fields("Transfer-Encoding: chunked", "Content-Length: 5"),
    fields("Content-Length: 5", "Transfer-Encoding: chunked"),
    fields("Content-Length: 5", "Content-Length: 5"),
    fields("Content-Length: 5", "Content-Length: 6"),
    fields("Content-Length: 5, 5"),
    fields("Content-Length: +5"),
    fields("Content-Length: -5"),
    fields("Content-Length: 0x5"),
    fields("Content-Length: 5 5"),
    fields("Content-Length: 1_0"),
    fields("Content-Length:"),
    fields("Content-Length: 9223372036854775808"),
    fields("Content-Length: 99999999999999999999999"),
    fields("Content-Length : 5"),
    fields("Transfer-Encoding: chunked, chunked"),
    fields("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    fields("Transfer-Encoding: chunked, gzip"),
    fields("Transfer-Encoding: gzip, chunked"),
    fields("Transfer-Encoding: \x0bchunked"),
    fields("Transfer-Encoding: chunked,"),
    fields("Transfer-Encoding:"),
    fields('Transfer-Encoding: "chunked"'),
    fields("Transfer-Encoding : chunked"),
    fields("Transfer-Encoding\x00: chunked"),
    fields("Transfer-Encoding:", " chunked"),
    fields("Transfer-Encoding: chunked", first="POST / HTTP/1.0"),
    fields("X: a", " folded"),
    fields("X: a", "\tfolded"),
    fields(" X: a"),
    fields("X: a\nY: b"),
    fields("X: a\rY: b"),
    fields("X: a\x00"),
    fields("X: a\x01"),
    fields("X: a\x7f"),
    fields("X\x01: a"),
    fields("X\xff: a"),
    fields("X y: a"),
    fields("X(: a"),
    fields(": a"),
    fields("no colon"),
    fields("Host: other"),
    fields(HOST),
    fields(first="GET  / HTTP/1.1"),
    fields(first="GET / HTTP/1.1 "),
    fields(first=" GET / HTTP/1.1"),
    fields(first="GET\t/\tHTTP/1.1"),
    fields(first="GET /a b HTTP/1.1"),
    fields(first="GET / http/1.1"),
    fields(first="GET / HTTP/1.10"),
    fields(first="GET / HTTX/1.1"),
    fields(first="GET /"),
    fields(first="G@T / HTTP/1.1"),
    fields(first="GET nowhere HTTP/1.1"),
    fields(first="GET * HTTP/1.1"),
    fields(first="GET /a#b HTTP/1.1"),
    fields(first="GET /\x7f HTTP/1.1"),
    fields(first="GET /\xff HTTP/1.1"),
    fields(first="GET /\x01 HTTP/1.1"),
    fields(first="GET http:///x HTTP/1.1"),
    fields(first="GET http://:80/ HTTP/1.1"),
    fields(first="GET http://user@b/ HTTP/1.1"),
    fields(first="GET ftp://b/ HTTP/1.1"),
    refused("no Host", wire("GET / HTTP/1.1", "", "")),
    *(
        refused(f"Host: {host!r}", wire("GET / HTTP/1.1", "Host: " + host, "", ""))
        for host in (
            "a b",
            "a,b",
            "a/b",
            "a@b",
            ":80",
            "a:b",
            "a:1:2",
            "[::1]x",
            "x[::1]",
            "a\\b",
            "a?b",
            "a%zz",
            "\xff",
        )
    ),
    refused("bare line feeds", b"GET / HTTP/1.1\nHost: shop\n\n"),
    refused("a bare line feed at the end", b"GET / HTTP/1.1\r\nHost: shop\r\n\n"),
    refused("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    refused("nothing but empty lines", b"\r\n\r\n"),
    refused("the other coding", wire(POST, HOST, "Transfer-Encoding: gzip", "", ""), 501, "not_implemented"),
    refused("CONNECT", wire("CONNECT a:1 HTTP/1.1", "Host: a:1", "", ""), 501, "not_implemented"),
    refused("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
    refused("HTTP/0.9", wire("GET / HTTP/0.9", HOST, "", ""), 505, "version_not_supported"),
    refused("a POST of HTTP/1.0 without a length", wire("POST / HTTP/1.0", HOST, "", ""), 411, "length_required"),
)
def test_nothing_of_a_faulty_head_reaches_a_target(transcript: Transcript, way: str) -> None:
    transcript.run(way)


@each_way(
    refused("a long target", wire(f"GET /{'a' * 100} HTTP/1.1", HOST, "", ""), 414, "uri_too_long", settings=TIGHT),
    refused("an endless target", b"GET /" + b"a" * 900, 414, "uri_too_long", settings=TIGHT),
    refused(
        "a long head", wire("GET / HTTP/1.1", HOST, "X: " + "a" * 1000, "", ""), 431, "head_too_large", settings=TIGHT
    ),
    refused("an endless head", wire("GET / HTTP/1.1", HOST, "X: " + "a" * 1000), 431, "head_too_large", settings=TIGHT),
    refused("many fields", wire("GET / HTTP/1.1", HOST, *["X: 1"] * 10, "", ""), 431, "head_too_large", settings=TIGHT),
    refused(
        "a long body", wire(POST, HOST, "Content-Length: 11", "", "hello world"), 413, "body_too_large", settings=TIGHT
    ),
    refused(
        "a body too long for the route",
        wire(POST, HOST, "Content-Length: 4", "", "long"),
        413,
        "body_too_large",
        service=shop(limits=Limits(max_body=3)),
    ),
    refused("a late head", b"GET / HTTP/1.1\r\nHost: ", 408, "request_timeout", patience_seconds=12, ways=("whole",)),
)
def test_every_limit_has_an_answer_of_its_own(transcript: Transcript, way: str) -> None:
    transcript.run(way)


_BAD_BODIES = [
    (b"zz\r\n", 400),
    (b"\r\n", 400),
    (b"-1\r\n", 400),
    (b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    (b"5 \r\nhello\r\n0\r\n\r\n", 400),
    (b" 5\r\nhello\r\n0\r\n\r\n", 400),
    (b"5\nhello\r\n0\r\n\r\n", 400),
    (b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    (b"5;a\x00\r\nhello\r\n0\r\n\r\n", 400),
    (b"5;" + b"a" * 5000, 400),
    (b"ffffffffffffffff\r\n", 400),
    (b"00000000000000001\r\nh\r\n", 400),
    (b"5\r\nhelloX\r\n", 400),
    (b"5\r\nhello\n0\r\n\r\n", 400),
    (b"5\r\nhello0\r\n\r\n", 400),
    (b"0\r\nX : 1\r\n\r\n", 400),
    (b"0\r\n folded\r\n\r\n", 400),
    (b"0\r\nX: a\x00\r\n\r\n", 400),
    (b"0\r\nX: a\n\r\n", 400),
    (b"0\r\n\n", 400),
    (b"0\r\nX: " + b"a" * 60 + b"\r\n\r\n", 400),
    (b"0\r\nX: a\r\n" + b"X: 1\r\n" * 20 + b"\r\n", 400),
    (b"8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n", 413),
]


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
@pytest.mark.parametrize(("body", "status"), _BAD_BODIES)
def test_a_faulty_body_leaves_the_target_s_request_unfinished(body: bytes, status: int, piece_bytes: int) -> None:
    script = Script()

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(POST, HOST, "Transfer-Encoding: chunked", "", "") + body)
        await stage.settle()
        [answer] = client.answers()
        assert answer.status == status
        assert client.ending == "closed" or status == 413

    play(scene, scripts={TARGET: script}, settings=TIGHT, piece_bytes=piece_bytes)
    assert not any(request.is_whole for request in script.heard)
    assert all(connection.ending != "open" for connection in script.connections)


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_a_faulty_body_behind_the_beginning_of_an_answer_cuts_the_client(piece_bytes: int) -> None:
    script = Script([Say(wire("HTTP/1.1 200 OK", "Content-Length: 9", "", "half"), when="head")])

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(POST, HOST, "Transfer-Encoding: chunked", "", "2", "he", ""))
        await stage.settle()
        client.transport.write(b"zz\r\n")
        await stage.settle()
        [answer] = client.answers()
        assert (answer.status, answer.is_whole, answer.body) == (200, False, b"half")
        assert client.ending == "closed"

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)
    [request] = script.heard
    assert not request.is_whole


def test_a_client_that_stops_in_the_middle_of_its_body_is_told_so_and_the_target_is_left() -> None:
    script = Script()

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(POST, HOST, "Content-Length: 5", "", "he"))
        await stage.settle(61)
        assert client.answers()[0].status == 408
        assert script.connections[0].ending != "open"

    play(scene, scripts={TARGET: script})


def test_a_client_that_ends_in_the_middle_of_its_body_ends_the_target_s_request() -> None:
    script = Script()

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(POST, HOST, "Content-Length: 5", "", "he"))
        await stage.settle()
        client.transport.write_eof()
        await stage.settle()
        assert (client.heard, client.ending) == (b"", "reset")
        assert script.connections[0].ending != "open"

    play(scene, scripts={TARGET: script})
    assert not script.heard[0].is_whole
