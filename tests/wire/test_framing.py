"""Framing: bodies end where their sender says, in both directions, whatever the pieces they come in."""

from __future__ import annotations

from tests.wire.messages import wire
from tests.wire.stage import ABOUT, OK
from tests.wire.transcript import Say, Transcript, each_way

ASK = wire("GET / HTTP/1.1", "Host: shop", "", "")
HEARD = wire("GET / HTTP/1.1", "Host: shop", ABOUT, "", "")
FRAMED = wire("HTTP/1.1 200 OK", "Content-Length: 5", "", "hello")
CHUNKED = wire("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "5", "hello", "0", "", "")


@each_way(
    Transcript("a request without a body", ASK, [OK], HEARD, OK),
    Transcript(
        "a request's body by length",
        wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 5", "", "hello"),
        [OK],
        wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 5", ABOUT, "", "hello"),
        OK,
    ),
    Transcript(
        "a request's empty body by length",
        wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 0", "", ""),
        [OK],
        wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 0", ABOUT, "", ""),
        OK,
    ),
    Transcript(
        "a request's body in chunks, with extensions and trailers",
        wire(
            "POST / HTTP/1.1",
            "Host: shop",
            "Transfer-Encoding: chunked",
            "Trailer: x-sum",
            "",
            '3;a=1;b="2"',
            "hel",
            "2 ;c",
            "lo",
            "0",
            "x-sum: 9",
            "Content-Length: 3",
            "",
            "",
        ),
        [OK],
        wire(
            "POST / HTTP/1.1",
            "Host: shop",
            "Trailer: x-sum",
            ABOUT,
            "Transfer-Encoding: chunked",
            "",
            "5",
            "hello",
            "0",
            "x-sum: 9",
            "",
            "",
        ),
        OK,
    ),
    Transcript("an answer's body by length", ASK, [FRAMED], HEARD, FRAMED),
    Transcript("an answer's body in chunks", ASK, [CHUNKED], HEARD, CHUNKED),
    Transcript(
        "an answer's trailers",
        ASK,
        [
            wire(
                "HTTP/1.1 200 OK",
                "Transfer-Encoding: chunked",
                "Trailer: x-sum",
                "",
                "5;x",
                "hello",
                "000",
                "x-sum: 9",
                "Set-Cookie: a=b",
                "",
                "",
            )
        ],
        HEARD,
        wire(
            "HTTP/1.1 200 OK",
            "Trailer: x-sum",
            "Transfer-Encoding: chunked",
            "",
            "5",
            "hello",
            "0",
            "x-sum: 9",
            "",
            "",
        ),
    ),
    Transcript(
        "an answer's body that ends with the connection",
        ASK,
        [Say(wire("HTTP/1.1 200 OK", "", "hello"), then="eof")],
        HEARD,
        CHUNKED,
    ),
    Transcript(
        "an HTTP/1.0 origin's answer",
        ASK,
        [Say(wire("HTTP/1.0 200 OK", "", "hello"), then="close")],
        HEARD,
        CHUNKED,
    ),
    Transcript(
        "an HTTP/1.0 origin's answer by length, kept alive",
        ASK,
        [wire("HTTP/1.0 200 OK", "Content-Length: 5", "Connection: keep-alive", "", "hello")],
        HEARD,
        FRAMED,
    ),
)
def test_bodies_are_passed_on_as_they_are_framed(transcript: Transcript, way: str) -> None:
    transcript.run(way)


def _bodyless(method: str, status: str, *fields: str, hears: tuple[str, ...] | None = None) -> Transcript:
    return Transcript(
        f"{status} to {method} {fields}",
        wire(f"{method} / HTTP/1.1", "Host: shop", "", ""),
        [wire(f"HTTP/1.1 {status}", *fields, "", "")],
        wire(f"{method} / HTTP/1.1", "Host: shop", ABOUT, "", ""),
        wire(f"HTTP/1.1 {status}", *(fields if hears is None else hears), "", ""),
        methods=(method.encode(),),
    )


@each_way(
    _bodyless("HEAD", "200 OK", "Content-Length: 999"),
    _bodyless("HEAD", "200 OK", "Transfer-Encoding: chunked", hears=()),
    _bodyless("HEAD", "200 OK"),
    _bodyless("GET", "204 No Content"),
    _bodyless("GET", "204 No Content", "Content-Length: 5", hears=()),
    _bodyless("GET", "304 Not Modified", "Content-Length: 999", 'ETag: "x"'),
    _bodyless("GET", "304 Not Modified"),
    _bodyless("PUT", "204 "),
)
def test_head_204_and_304_have_no_body_whatever_their_fields_say(transcript: Transcript, way: str) -> None:
    transcript.run(way)


OLD = wire("GET / HTTP/1.0", "", "")
OLD_HEARD = wire("GET / HTTP/1.1", "Host: ", ABOUT.replace(b"Host: shop", b"Host: "), "", "")
OLD_KEPT = wire("GET / HTTP/1.0", "Host: shop", "Connection: keep-alive", "", "")


@each_way(
    Transcript(
        "chunks are taken off for a client of HTTP/1.0",
        OLD,
        [CHUNKED],
        OLD_HEARD,
        wire("HTTP/1.1 200 OK", "Connection: close", "", "hello"),
        ending="closed",
    ),
    Transcript(
        "a close-delimited answer for a client of HTTP/1.0",
        OLD,
        [Say(wire("HTTP/1.0 200 OK", "", "hello"), then="close")],
        OLD_HEARD,
        wire("HTTP/1.1 200 OK", "Connection: close", "", "hello"),
        ending="closed",
    ),
    Transcript(
        "a framed answer closes for a client of HTTP/1.0",
        OLD,
        [FRAMED],
        OLD_HEARD,
        wire("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close", "", "hello"),
        ending="closed",
    ),
    Transcript(
        "a client of HTTP/1.0 that asks for it is kept",
        OLD_KEPT,
        [FRAMED],
        HEARD,
        wire("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: keep-alive", "", "hello"),
    ),
    Transcript(
        "a client of HTTP/1.0 that asks to be kept, but the length is unknown",
        OLD_KEPT,
        [CHUNKED],
        HEARD,
        wire("HTTP/1.1 200 OK", "Connection: close", "", "hello"),
        ending="closed",
    ),
    Transcript(
        "a client of HTTP/1.0 gets no 103",
        OLD_KEPT,
        [wire("HTTP/1.1 103 Early Hints", "Link: </a>", "", FRAMED)],
        HEARD,
        wire("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: keep-alive", "", "hello"),
    ),
    Transcript(
        "a body of a client of HTTP/1.0",
        wire("POST / HTTP/1.0", "Host: shop", "Content-Length: 5", "", "hello"),
        [FRAMED],
        wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 5", ABOUT, "", "hello"),
        wire("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close", "", "hello"),
        ending="closed",
    ),
)
def test_clients_and_origins_of_http_1_0_are_understood(transcript: Transcript, way: str) -> None:
    transcript.run(way)


@each_way(
    Transcript(
        "103 is passed on, the 100 that nobody asked for is not",
        ASK,
        [wire("HTTP/1.1 100 Continue", "", "HTTP/1.1 103 Early Hints", "Link: </a>", "Connection: x", "X: 1", "", OK)],
        HEARD,
        wire("HTTP/1.1 103 Early Hints", "Link: </a>", "", OK),
    ),
    Transcript(
        "Expect is forwarded and the target's 100 is passed on",
        wire("POST / HTTP/1.1", "Host: shop", "Expect: 100-continue", "Content-Length: 5", "", "hello"),
        [Say(wire("HTTP/1.1 100 Continue", "", OK))],
        wire("POST / HTTP/1.1", "Host: shop", "Expect: 100-continue", "Content-Length: 5", ABOUT, "", "hello"),
        wire("HTTP/1.1 100 Continue", "", OK),
    ),
    Transcript(
        "a thousand interim answers in one read",
        ASK,
        [b"HTTP/1.1 102 Processing\r\n\r\n" * 2000 + OK],
        HEARD,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 2000 + OK,
        ways=("whole",),
    ),
)
def test_interim_answers_go_to_who_understands_them(transcript: Transcript, way: str) -> None:
    transcript.run(way)


def _kept(*fields: str, version: str = "1.1") -> bytes:
    return wire(f"GET / HTTP/{version}", "Host: shop", *fields, "", "")


OK_CLOSE = wire("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", "", "ok")


@each_way(
    Transcript("close is obeyed", _kept("Connection: close"), [OK], HEARD, OK_CLOSE, ending="closed"),
    Transcript("Close in capitals and a list", _kept("Connection: x, CLOSE"), [OK], HEARD, OK_CLOSE, ending="closed"),
    Transcript("a target's close is not the client's", ASK, [Say(OK_CLOSE, then="close")], HEARD, OK),
    Transcript(
        "pipelined requests are answered in order, bodies and errors between them",
        wire(
            "GET /1 HTTP/1.1",
            "Host: shop",
            "",
            "POST /2 HTTP/1.1",
            "Host: shop",
            "Content-Length: 3",
            "",
            "abcPUT /3 HTTP/1.1",
            "Host: shop",
            "Transfer-Encoding: chunked",
            "",
            "1",
            "x",
            "0",
            "",
            "HEAD /4 HTTP/1.1",
            "Host: shop",
            "",
            "GET /5 HTTP/1.1",
            "Host: shop",
            "",
            "",
        ),
        [
            FRAMED,
            wire("HTTP/1.1 404 Not Found", "Content-Length: 1", "", "2"),
            CHUNKED,
            wire("HTTP/1.1 200 OK", "Content-Length: 9", "", ""),
            OK,
        ],
        wire("GET /1 HTTP/1.1", "Host: shop", ABOUT, "", "")
        + wire("POST /2 HTTP/1.1", "Host: shop", "Content-Length: 3", ABOUT, "", "abc")
        + wire("PUT /3 HTTP/1.1", "Host: shop", ABOUT, "Transfer-Encoding: chunked", "", "1", "x", "0", "", "")
        + wire("HEAD /4 HTTP/1.1", "Host: shop", ABOUT, "", "")
        + wire("GET /5 HTTP/1.1", "Host: shop", ABOUT, "", ""),
        FRAMED
        + wire("HTTP/1.1 404 Not Found", "Content-Length: 1", "", "2")
        + CHUNKED
        + wire("HTTP/1.1 200 OK", "Content-Length: 9", "", "")
        + OK,
        methods=(b"GET", b"POST", b"PUT", b"HEAD"),
    ),
    Transcript(
        "a malformed request in the middle of a pipeline ends it",
        ASK + b"GET /x y HTTP/1.1\r\nHost: shop\r\n\r\n" + ASK,
        [OK, OK],
        HEARD,
        OK,
        refusal=(400, "bad_request"),
        ending="closed",
    ),
    Transcript("an empty line before a request", b"\r\n" + ASK, [OK], HEARD, OK),
    Transcript(
        "half-closed clients get their answers",
        ASK + ASK,
        [OK, OK],
        HEARD + HEARD,
        OK + OK_CLOSE,
        half_closes=True,
        ending="closed",
        ways=("whole", "byte by byte"),
    ),
)
def test_connections_are_kept_and_answered_in_order(transcript: Transcript, way: str) -> None:
    transcript.run(way)
