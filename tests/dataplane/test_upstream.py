"""Upstream: connections are kept, handed on, counted and closed, and none is ever lost from the count."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.dataplane.deadlines import Deadlines
from proxy.dataplane.upstream import Pool
from proxy.errors import ConnectFailed, Overloaded
from proxy.rules import Limits
from proxy.rules import Pool as PoolSettings
from proxy.targets import Address, Target
from tests.wire.network import Network
from tests.wire.people import Script

PORT = 9001


def play(
    scene: Callable[[Pool, Script, Network], Awaitable[None]],
    limits: Limits | None = None,
    settings: PoolSettings | None = None,
    *,
    is_up: bool = True,
) -> None:
    """A pool before a target in memory; its idle connections are swept as in a worker."""

    async def whole() -> None:
        network = asyncio.get_running_loop()
        assert isinstance(network, Network)
        script = Script()
        if is_up:
            network.ports[PORT] = script
        deadlines = Deadlines(network.time())
        target = Target("shop", "v1", Address("http", "10.0.0.1", PORT))
        pool = Pool(target, settings or PoolSettings(), limits or Limits(), deadlines, network.time)

        def sweep() -> None:
            deadlines.sweep(network.time())
            network.call_later(0.1, sweep)

        sweep()
        async with asyncio.timeout(100):
            await scene(pool, script, network)
        pool.close_all()
        await asyncio.sleep(1)
        assert pool.open == set()
        assert network.faults == []

    with asyncio.Runner(loop_factory=Network) as runner:
        runner.run(whole())


def test_the_connection_used_last_goes_out_first() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        first, second = await pool.connect(1, 1), await pool.connect(1, 1)
        pool.give_back(first, network.time())
        pool.give_back(second, network.time())
        assert pool.take() is second
        assert pool.take() is first
        assert pool.take() is None

    play(scene)


def test_a_connection_idle_for_too_long_is_not_taken_for_what_must_not_be_repeated() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        pool.give_back(await pool.connect(1, 1), network.time())
        await asyncio.sleep(2)
        assert pool.take(1.0) is None
        assert pool.take() is not None

    play(scene)


def test_idle_connections_are_closed_in_time_and_only_so_many_are_kept() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        for connection in [await pool.connect(1, 1) for _ in range(3)]:
            pool.give_back(connection, network.time())
        assert len(pool.open) == 2
        await asyncio.sleep(3.5)
        assert len(pool.open) == 2
        await asyncio.sleep(1)
        assert len(pool.open) == 0

    play(scene, settings=PoolSettings(idle=4, max_idle=2))


def test_a_connection_that_the_target_closed_is_not_handed_out() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        pool.give_back(await pool.connect(1, 1), network.time())
        script.connections[0].transport.close()
        await asyncio.sleep(0.1)
        assert pool.take() is None
        assert pool.open == set()

    play(scene)


def test_a_connection_that_says_something_unasked_is_closed() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        pool.give_back(await pool.connect(1, 1), network.time())
        script.connections[0].transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.sleep(0.1)
        assert pool.take() is None

    play(scene)


def test_a_connection_that_was_held_back_is_read_again_when_it_is_given_back() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        connection = await pool.connect(1, 1)
        connection.pause_reading()
        pool.give_back(connection, network.time())
        assert not connection.is_reading_paused
        assert connection.transport.is_reading()

    play(scene)


def test_a_retired_target_s_connections_close_when_they_come_back() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        connection = await pool.connect(1, 1)
        pool.target.is_retired = True
        pool.give_back(connection, network.time())
        assert pool.open == set()

    play(scene)


def test_a_target_that_refuses_is_a_failed_connect() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        with pytest.raises(ConnectFailed):
            await pool.connect(1, 1)

    play(scene, is_up=False)


def test_who_waits_for_a_place_gets_the_connection_that_comes_back_in_order() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        connection = await pool.connect(1, 1)
        waiting = [network.create_task(pool.connect(1, 10)) for _ in range(2)]
        await asyncio.sleep(0.1)
        pool.give_back(connection, network.time())
        assert await waiting[0] is connection
        pool.give_back(connection, network.time())
        assert await waiting[1] is connection
        assert len(script.connections) == 1

    play(scene, Limits(max_connections=1, max_pending=2))


def test_a_place_that_becomes_free_is_a_fresh_connection() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        connection = await pool.connect(1, 1)
        waiting = network.create_task(pool.connect(1, 10))
        await asyncio.sleep(0.1)
        connection.abort()
        assert await waiting is not connection
        assert len(pool.open) == 1

    play(scene, Limits(max_connections=1))


def test_one_too_many_and_one_too_long_are_told_so() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        await pool.connect(1, 1)
        waiting = network.create_task(pool.connect(1, 5))
        await asyncio.sleep(0.1)
        with pytest.raises(Overloaded):
            await pool.connect(1, 5)
        with pytest.raises(Overloaded):
            await waiting

    play(scene, Limits(max_connections=1, max_pending=1))


def test_a_waiter_that_gives_up_leaves_its_connection_to_the_next() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        connection = await pool.connect(1, 1)
        waiting = [network.create_task(pool.connect(1, 10)) for _ in range(2)]
        await asyncio.sleep(0.1)
        pool.give_back(connection, network.time())
        waiting[0].cancel()
        assert await waiting[1] is connection

    play(scene, Limits(max_connections=1))


def test_a_connection_lost_at_its_very_beginning_takes_no_place() -> None:
    async def scene(pool: Pool, script: Script, network: Network) -> None:
        class Slamming(Script):
            def __call__(self) -> object:  # type: ignore[override]
                target = super().__call__()
                network.call_soon(lambda: target.transport.reset())
                return target

        network.ports[PORT] = Slamming()
        for _ in range(5):
            await pool.connect(1, 1)
            await asyncio.sleep(0.1)
        assert pool.open == set()

    play(scene, Limits(max_connections=1))
