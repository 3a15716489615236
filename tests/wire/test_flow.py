"""Flow: a slow side holds back the other, early answers are passed on, and nobody's memory fills."""

from __future__ import annotations

import hashlib
import random

import pytest

from proxy.settings import ClientLimits, Settings
from tests.wire.messages import answers_in, wire
from tests.wire.network import KERNEL_BYTES
from tests.wire.people import Client, Script
from tests.wire.stage import OK, TARGET, Stage, play
from tests.wire.transcript import Say

BIG = random.Random(1).randbytes(10 << 20)
SUM = hashlib.sha256(BIG).hexdigest()
ASK = wire("GET / HTTP/1.1", "Host: shop", "", "")
_MOST_UNSENT = 1 << 19
"""One read and two high-water marks: what one side may hold for the other, whatever the size of the body."""


def _framings() -> list[bytes]:
    pieces = [BIG[at : at + 100_000] for at in range(0, len(BIG), 100_000)]
    in_chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return [
        b"Content-Length: %d\r\n\r\n" % len(BIG) + BIG,
        b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks,
    ]


@pytest.mark.parametrize("framed", _framings(), ids=["length", "chunks"])
def test_ten_megabytes_go_up_intact_at_the_pace_of_a_slow_target(framed: bytes) -> None:
    script = Script([Say(OK)], pauses=True)

    async def scene(stage: Stage) -> None:
        client = await stage.client(b"PUT / HTTP/1.1\r\nHost: shop\r\n" + framed)
        await stage.settle()
        assert client.transport.get_write_buffer_size() > len(BIG) - 8 * KERNEL_BYTES, "the client is held back"
        [target] = script.connections
        target.transport.resume_reading()
        await stage.settle()
        assert client.answers()[0].status == 200
        assert target.transport.peer.most_unsent < _MOST_UNSENT

    play(scene, scripts={TARGET: script})
    assert hashlib.sha256(script.heard[0].body).hexdigest() == SUM


@pytest.mark.parametrize("framed", _framings(), ids=["length", "chunks"])
def test_ten_megabytes_come_down_intact_at_the_pace_of_a_slow_client(framed: bytes) -> None:
    script = Script([Say(b"HTTP/1.1 200 OK\r\n" + framed), Say(OK)])

    async def scene(stage: Stage) -> None:
        client = await stage.client()
        client.transport.pause_reading()
        client.transport.write(ASK)
        await stage.settle()
        [target] = script.connections
        assert target.transport.get_write_buffer_size() > len(BIG) - 8 * KERNEL_BYTES, "the target is held back"
        client.transport.resume_reading()
        await stage.settle()
        [answer] = client.answers()
        assert hashlib.sha256(answer.body).hexdigest() == SUM
        assert client.transport.peer.most_unsent < _MOST_UNSENT
        client.transport.write(ASK)
        await stage.settle()
        assert client.answers()[1].body == b"ok", "the connection is as good as new"

    play(scene, scripts={TARGET: script})
    assert len(script.connections) == 1


def test_a_client_that_reads_nothing_is_given_up() -> None:
    script = Script([Say(b"HTTP/1.1 200 OK\r\n" + _framings()[0])])

    async def scene(stage: Stage) -> None:
        client = await stage.client()
        client.transport.pause_reading()
        client.transport.write(ASK)
        await stage.settle(200)
        assert stage.plane.connections == 0
        assert script.connections[0].ending != "open"

    play(scene, scripts={TARGET: script}, settings=Settings(limits=ClientLimits(write_timeout=60)))


def test_a_client_that_pipelines_and_reads_nothing_gets_no_more_answers_made() -> None:
    answer = wire("HTTP/1.1 200 OK", "Content-Length: 50000", "", "x" * 50_000)
    script = Script([Say(answer)] * 400)

    async def scene(stage: Stage) -> None:
        client = await stage.client()
        client.transport.pause_reading()
        client.transport.write(ASK * 400)
        await stage.settle(5)
        assert len(script.heard) < 20
        client.transport.resume_reading()
        await stage.settle(5)
        assert [each.body for each in client.answers()] == [b"x" * 50_000] * 400
        assert client.transport.peer.most_unsent < _MOST_UNSENT

    play(scene, scripts={TARGET: script})


async def _read_slowly(stage: Stage, client: Client) -> None:
    """A little now and then, far slower than any grace."""
    while len(client.transport.peer._kernel) or client.transport.peer.get_write_buffer_size():
        client.transport.resume_reading()
        await stage.settle(0.001)
        client.transport.pause_reading()
        await stage.settle(20)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_slow_reader_gets_the_whole_of_a_last_answer(version: str) -> None:
    body = "x" * 250_000
    script = Script([Say(wire("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "", body))])

    async def scene(stage: Stage) -> None:
        client = await stage.client()
        client.transport.pause_reading()
        client.transport.write(wire(f"GET / HTTP/{version}", "Host: shop", "Connection: close", "", ""))
        await stage.settle()
        await _read_slowly(stage, client)
        client.transport.resume_reading()
        await stage.settle()
        [answer] = client.answers()
        assert len(answer.body) == len(body)

    play(scene, scripts={TARGET: script}, piece_bytes=8 << 10)


def test_a_half_closed_client_that_reads_nothing_is_given_up() -> None:
    body = "x" * 250_000
    script = Script([Say(wire("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "", body))])

    async def scene(stage: Stage) -> None:
        client = await stage.client()
        client.transport.pause_reading()
        client.transport.write(ASK)
        client.transport.write_eof()
        await stage.settle(200)
        assert stage.plane.connections == 0

    play(scene, scripts={TARGET: script})


# --- early answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_an_early_answer_is_passed_on_and_neither_connection_is_used_again(piece_bytes: int) -> None:
    early = wire("HTTP/1.1 413 Too Large", "Content-Length: 2", "", "no")
    script = Script([Say(early, when="head"), Say(OK)])

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 100", "", "begun"))
        await stage.settle()
        client.transport.write(b"GET /inside HTTP/1.1\r\nHost: shop\r\n\r\n" + b"x" * 60)
        await stage.settle()
        [answer] = client.answers()
        assert (answer.status, answer.body, answer.field(b"connection")) == (413, b"no", b"close")
        assert client.ending == "closed"
        await stage.client(ASK)
        await stage.settle()

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)
    assert len(script.connections) == 2
    assert all(b"/inside" not in message.head[0] for message in script.heard)


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_an_answer_may_stream_while_the_upload_goes_on(piece_bytes: int) -> None:
    begun = wire("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "5", "begun", "")
    script = Script([Say(begun, when="head")])

    async def scene(stage: Stage) -> None:
        client = await stage.client(wire("POST / HTTP/1.1", "Host: shop", "Content-Length: 10", "", "first"))
        await stage.settle()
        client.transport.write(b"secnd")
        await stage.settle()
        [target] = script.connections
        assert target.heard.endswith(b"firstsecnd")
        target.transport.write(b"3\r\nend\r\n0\r\n\r\n")
        await stage.settle()
        assert answers_in(client.heard)[0].body == b"begunend"
        assert answers_in(client.heard)[0].is_whole

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)


def test_the_body_waits_for_the_target_s_100_if_the_client_does() -> None:
    script = Script([Say(wire("HTTP/1.1 100 Continue", "", ""), when="head")])

    async def scene(stage: Stage) -> None:
        head = wire("POST / HTTP/1.1", "Host: shop", "Expect: 100-continue", "Content-Length: 5", "", "")
        client = await stage.client(head)
        await stage.settle()
        assert client.heard == wire("HTTP/1.1 100 Continue", "", "")
        client.transport.write(b"hello")
        await stage.settle()
        [target] = script.connections
        assert target.heard.endswith(b"\r\n\r\nhello")
        target.transport.write(OK)
        await stage.settle()
        assert client.heard.endswith(OK)

    play(scene, scripts={TARGET: script})


def test_a_client_that_leaves_takes_its_request_along() -> None:
    script = Script()

    async def scene(stage: Stage) -> None:
        client = await stage.client(ASK)
        await stage.settle()
        client.transport.reset()
        await stage.settle()
        assert script.connections[0].ending == "closed"

    stage = play(scene, scripts={TARGET: script})
    assert [outcome.cause for outcome in stage.notes.outcomes] == ["aborted"]
