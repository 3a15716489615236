"""Draining: nobody who is connected is let down, and nobody can keep the process for ever."""

from __future__ import annotations

import asyncio
import os
import signal

from live.conftest import StartShunt
from live.instance import Instance, Line, ask, until


def host_port(shunt: Instance) -> tuple[str, int]:
    """Where it serves clients."""
    host, _, port = shunt.url.removeprefix("http://").rpartition(":")
    return host, int(port)


async def wait_refusing(shunt: Instance) -> None:
    """Return once it takes no new connections."""

    async def refuses() -> bool:
        try:
            await ask(shunt.url)
        except OSError:
            return True
        return False

    await until(refuses)


async def test_an_idle_connection_gets_one_more_answer_that_says_it_is_the_last(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    line = Line(shunt.url)
    assert "connection" not in (await line.ask()).head
    shunt.signal(signal.SIGTERM)
    await wait_refusing(shunt)
    last = await line.ask()
    assert (last.status, last.body, last.head["connection"]) == (200, b"blue", "close")
    assert await shunt.wait_exit() == 0


async def test_a_connection_that_says_nothing_keeps_the_process_only_until_the_bound(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules, drain="{bound: 1s}")
    line = Line(shunt.url)
    await line.ask()
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 0
    await line.close()


async def test_whoever_waits_to_be_accepted_when_it_leaves_is_answered(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules, "--workers", "1")
    (worker,) = (await shunt.workers()).values()
    os.kill(worker, signal.SIGSTOP)
    waiting = [await asyncio.open_connection(*host_port(shunt)) for _ in range(20)]
    for _, writer in waiting:
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    shunt.signal(signal.SIGTERM)
    os.kill(worker, signal.SIGCONT)
    for reader, writer in waiting:
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answer
        writer.close()
    assert await shunt.wait_exit() == 0


async def test_whoever_waits_to_be_accepted_during_an_upgrade_is_answered(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules, "--workers", "1")
    (worker,) = (await shunt.workers()).values()
    os.kill(worker, signal.SIGSTOP)
    waiting = [await asyncio.open_connection(*host_port(shunt)) for _ in range(20)]
    for _, writer in waiting:
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    shunt.signal(signal.SIGUSR2)
    for reader, writer in waiting:
        answer = await asyncio.wait_for(reader.readuntil(b"blue"), 20)
        assert answer.startswith(b"HTTP/1.1 200 ")
        writer.close()
    os.kill(worker, signal.SIGCONT)
