"""Holding and leaving: requests wait their time, in order, and a worker that leaves breaks nothing off."""

from __future__ import annotations

import asyncio

import pytest

from proxy.settings import ClientLimits, Settings
from tests.wire.messages import wire
from tests.wire.people import Script
from tests.wire.stage import OK, TARGET, Stage, play
from tests.wire.transcript import Say

ASK = wire("GET / HTTP/1.1", "Host: shop", "", "")


@pytest.mark.parametrize("piece_bytes", [1, 1 << 18])
def test_held_requests_go_in_order_with_their_bodies_when_released(piece_bytes: int) -> None:
    script = Script([Say(OK)] * 3)

    async def scene(stage: Stage) -> None:
        stage.plane.hold("shop", 10, 30)
        clients = [
            await stage.client(wire(f"POST /{n} HTTP/1.1", "Host: shop", "Content-Length: 5", "", "hello"))
            for n in range(3)
        ]
        await stage.settle(2)
        assert stage.plane.held() == {"shop": 3}
        assert script.heard == []
        stage.plane.release("shop")
        await stage.settle()
        assert [client.answers()[0].status for client in clients] == [200] * 3

    play(scene, scripts={TARGET: script}, piece_bytes=piece_bytes)
    assert [request.head[0] for request in script.heard] == [f"POST /{n} HTTP/1.1".encode() for n in range(3)]
    assert all(request.body == b"hello" for request in script.heard)


def test_a_held_request_waits_at_most_its_bound() -> None:
    async def scene(stage: Stage) -> None:
        stage.plane.hold("shop", 5, 30)
        client = await stage.client(ASK)
        await stage.settle(6)
        [answer] = client.answers()
        assert (answer.status, answer.field(b"x-shunt-error"), answer.field(b"retry-after")) == (503, b"held", b"1")
        assert stage.plane.held() == {"shop": 0}

    play(scene, scripts={TARGET: Script([Say(OK)])})


def test_a_forgotten_hold_ends_by_itself() -> None:
    async def scene(stage: Stage) -> None:
        stage.plane.hold("shop", 60, 5)
        client = await stage.client(ASK)
        await stage.settle(6)
        assert client.heard == OK

    play(scene, scripts={TARGET: Script([Say(OK)])})


def test_a_held_client_that_leaves_is_asked_for_by_nobody() -> None:
    script = Script([Say(OK)])

    async def scene(stage: Stage) -> None:
        stage.plane.hold("shop", 60, 60)
        client = await stage.client(ASK)
        await stage.settle()
        client.transport.reset()
        await stage.settle()
        stage.plane.release("shop")
        await stage.settle()

    play(scene, scripts={TARGET: script})
    assert script.connections == []


def test_a_leaving_worker_answers_with_connection_close_and_cuts_no_idle_client() -> None:
    script = Script([Say(OK)] * 2)

    async def scene(stage: Stage) -> None:
        client = await stage.client(ASK)
        await stage.settle()
        draining = asyncio.get_running_loop().create_task(stage.plane.drain(30))
        await stage.settle(20)
        assert client.ending == "open"
        client.transport.write(ASK)
        await stage.settle()
        assert client.answers()[1].field(b"connection") == b"close"
        assert client.ending == "closed"
        client.transport.close()
        await draining

    play(scene, scripts={TARGET: script})


def test_a_leaving_worker_finishes_what_is_in_flight() -> None:
    script = Script()

    async def scene(stage: Stage) -> None:
        client = await stage.client(ASK)
        await stage.settle()
        draining = asyncio.get_running_loop().create_task(stage.plane.drain(30))
        await stage.settle()
        script.connections[0].transport.write(OK)
        await stage.settle()
        assert client.answers()[0].field(b"connection") == b"close"
        client.transport.close()
        await draining

    play(scene, scripts={TARGET: script})


def test_a_request_too_many_is_told_to_come_back() -> None:
    settings = Settings(limits=ClientLimits(in_flight=2))

    async def scene(stage: Stage) -> None:
        clients = [await stage.client(ASK) for _ in range(3)]
        await stage.settle()
        heard = [answer.field(b"x-shunt-error") for client in clients for answer in client.answers()]
        assert heard == [b"overloaded"]

    play(scene, scripts={TARGET: Script()}, settings=settings)


def test_a_client_too_many_is_not_taken() -> None:
    settings = Settings(limits=ClientLimits(connections=1))

    async def scene(stage: Stage) -> None:
        await stage.client()
        second = await stage.client(ASK)
        await stage.settle()
        assert (second.heard, second.ending == "open") == (b"", False)

    play(scene, scripts={TARGET: Script()}, settings=settings)


def test_a_connection_serves_as_many_requests_as_the_limit_says() -> None:
    settings = Settings(limits=ClientLimits(requests_per_connection=2))

    async def scene(stage: Stage) -> None:
        client = await stage.client(ASK * 3)
        await stage.settle()
        assert [answer.field(b"connection") for answer in client.answers()] == [None, b"close"]

    play(scene, scripts={TARGET: Script([Say(OK)] * 3)}, settings=settings)


def test_an_idle_client_is_closed_after_a_while() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(ASK)
        await stage.settle(74)
        assert client.ending == "open"
        await stage.settle(3)
        assert client.ending == "closed"

    play(scene, scripts={TARGET: Script([Say(OK)])})
