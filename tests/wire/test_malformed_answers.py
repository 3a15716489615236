"""Malformed answers: a target that breaks the protocol harms nobody else, and never looks as if it had kept it."""

from __future__ import annotations

import pytest

from proxy.settings import ClientLimits, Settings
from tests.wire.messages import wire
from tests.wire.people import Script
from tests.wire.stage import ABOUT, OK, TARGET, Stage, play
from tests.wire.transcript import WAYS, Say, Transcript, each_way

ASK = wire("POST / HTTP/1.1", "Host: shop", "", "")
HEARD = wire("POST / HTTP/1.1", "Host: shop", ABOUT, "", "")
_TIGHT = Settings(limits=ClientLimits(response_head_bytes=1000, trailer_bytes=50))


def bad(answer: bytes) -> Transcript:
    """An answer that becomes a 502."""
    return Transcript(repr(answer[:60]), ASK, [answer], HEARD, refusal=(502, "bad_answer"), settings=_TIGHT)


def fields(*lines: str, first: str = "HTTP/1.1 200 OK") -> Transcript:
    return bad(wire(first, *lines, "", "hello"))


@each_way(
    bad(b"garbage\r\n\r\n"),
    bad(b"garbage without an end"),
    bad(b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
    bad(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    bad(b"HTTP/1.1 200 OK\r\nX: \x00"),
    fields(first="HTTP/1.1 20 OK"),
    fields(first="HTTP/1.1 2000 OK"),
    fields(first="HTTP/1.1 600 OK"),
    fields(first="HTTP/1.1  200 OK"),
    fields(first="HTTP/1.1 -20 OK"),
    fields(first="HTTP/2 200 OK"),
    fields(first="HTTP/1.2 200 OK"),
    fields(first="HTTP/0.9 200 OK"),
    fields(first="http/1.1 200 OK"),
    fields(first="ICY 200 OK"),
    fields(first="HTTP/1.1 200 \x00"),
    fields("Content-Length: 5", "Transfer-Encoding: chunked"),
    fields("Transfer-Encoding: chunked", "Content-Length: 5"),
    fields("Content-Length: 5", "Content-Length: 6"),
    fields("Content-Length: 5", "Content-Length: 5"),
    fields("Content-Length: 5, 5"),
    fields("Content-Length: -5"),
    fields("Content-Length:"),
    fields("Content-Length: 9223372036854775808"),
    fields("Transfer-Encoding: gzip"),
    fields("Transfer-Encoding: gzip, chunked"),
    fields("Transfer-Encoding: chunked, chunked"),
    fields("Transfer-Encoding: identity"),
    fields("Transfer-Encoding: chunked", first="HTTP/1.0 200 OK"),
    fields("X: a\x00"),
    fields("X: a\x01b"),
    fields("X: a", " folded"),
    fields("X : a"),
    fields("X y: a"),
    fields("no colon"),
    fields("X: a\nY: b"),
    fields("X: " + "a" * 1000),
    bad(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000),
    Transcript(
        "garbage behind an interim answer",
        ASK,
        [b"HTTP/1.1 103 Early Hints\r\n\r\ngarbage\r\n\r\n"],
        HEARD,
        wire("HTTP/1.1 103 Early Hints", "", ""),
        refusal=(502, "bad_answer"),
    ),
    Transcript("an end before an answer", ASK, [Say(b"HTTP/1.1 200", then="eof")], HEARD, refusal=(502, "reset")),
    Transcript("a reset before an answer", ASK, [Say(b"", then="reset")], HEARD, refusal=(502, "reset")),
    Transcript(
        "no answer",
        ASK,
        [Say(b"HTTP/1.1 2")],
        HEARD,
        refusal=(504, "timeout"),
        patience_seconds=31,
    ),
)
def test_a_malformed_answer_is_a_502(transcript: Transcript, way: str) -> None:
    transcript.run(way)


LENGTH = wire("HTTP/1.1 200 OK", "Content-Length: 9", "", "half")
CHUNKS = wire("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "4", "half", "")
UNTIL_CLOSE = wire("HTTP/1.1 200 OK", "", "half")


def cut(promise: str, answer: bytes, then: str, *, version: str = "1.1", ending: str = "closed") -> Transcript:
    hears = answer
    if b"Length" not in answer and version == "1.1":
        hears = CHUNKS
    elif version == "1.0":
        hears = wire("HTTP/1.1 200 OK", "Connection: close", "", "half")
    return Transcript(
        f"{promise}, {then}, HTTP/{version}",
        wire(f"GET / HTTP/{version}", "Host: shop", "", ""),
        [Say(answer, then=then)],
        wire("GET / HTTP/1.1", "Host: shop", ABOUT, "", ""),
        hears,
        ending=ending,
        ways=WAYS if ending == "closed" else ("whole", "with trailing bytes"),
        patience_seconds=70,
    )


@each_way(
    cut("by length", LENGTH, "eof"),
    cut("by length", LENGTH, "reset"),
    cut("by length", LENGTH, "keep"),
    cut("in chunks", CHUNKS, "eof"),
    cut("in chunks", CHUNKS, "reset"),
    cut("in chunks", CHUNKS, "keep"),
    cut("until the end", UNTIL_CLOSE, "reset"),
    cut("until the end", UNTIL_CLOSE, "keep"),
    cut("until the end", UNTIL_CLOSE, "reset", version="1.0", ending="reset"),
    cut("in chunks", CHUNKS, "eof", version="1.0", ending="reset"),
    cut("in chunks", CHUNKS, "keep", version="1.0", ending="reset"),
)
def test_an_answer_cut_short_is_cut_short_for_the_client_too(transcript: Transcript, way: str) -> None:
    transcript.run(way)


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_a_broken_chunk_is_a_502_while_nothing_was_passed_on_and_a_cut_afterwards(piece_bytes: int) -> None:
    script = Script([Say(CHUNKS + b"zz\r\n")])

    async def scene(stage: Stage) -> None:
        client = await stage.client(ASK)
        await stage.settle()
        [answer] = client.answers()
        assert answer.status == 502 or (answer.body == b"half" and not answer.is_whole and client.ending == "closed")
        assert script.connections[0].ending == "closed"

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)


OTHER = wire("HTTP/1.1 200 OK", "Content-Length: 5", "", "other")
JUNK = wire("HTTP/1.1 200 OK", "Content-Length: 4", "", "evil")


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("GET", OK),
        ("GET", wire("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "2", "ok", "0", "", "")),
        ("GET", wire("HTTP/1.1 204 No Content", "", "")),
        ("GET", wire("HTTP/1.1 304 Not Modified", "Content-Length: 44", "", "")),
        ("HEAD", wire("HTTP/1.1 200 OK", "Content-Length: 44", "", "")),
    ],
)
@pytest.mark.parametrize("is_late", [True, False])
def test_bytes_that_nobody_asked_for_are_served_to_nobody(
    method: str, answer: bytes, piece_bytes: int, *, is_late: bool
) -> None:
    """Behind a whole answer, in the same read or later; HEAD, 204 and 304 have no body whatever comes."""
    first = Say(answer, behind=JUNK) if is_late else Say(answer + JUNK)
    script = Script([first, Say(OTHER)])

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire(f"{method} / HTTP/1.1", "Host: shop", "", ""))
        await stage.settle()
        client.transport.write(wire("GET /second HTTP/1.1", "Host: shop", "", ""))
        await stage.settle()
        assert [each.body for each in client.answers(method.encode())][1:] == [b"other"]
        assert b"evil" not in client.heard

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)
    assert len(script.connections) == 2


def test_an_answer_that_comes_before_any_question_is_served_to_nobody() -> None:
    script = Script([Say(OK)])

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire("GET / HTTP/1.1", "Host: shop", "", ""))
        await stage.settle()
        script.connections[0].transport.write(JUNK)
        await stage.settle()
        assert script.connections[0].ending == "closed"
        script.answers.append(Say(OTHER))
        client.transport.write(wire("GET / HTTP/1.1", "Host: shop", "", ""))
        await stage.settle()
        assert [each.body for each in client.answers()] == [b"ok", b"other"]

    play(scene, scripts={TARGET: script})
