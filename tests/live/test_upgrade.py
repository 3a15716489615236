"""An upgrade: new code takes over under load, and nobody notices."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from live.conftest import StartShunt
from live.instance import Backend, Instance, Line, ask, children, command, is_alive, load, until


async def wait_generation(shunt: Instance, number: int) -> None:
    """Return once that generation answers for the admin API."""

    async def has_come() -> bool:
        return (await shunt.status())["generation"] == number

    await until(has_come, 60)


async def test_an_upgrade_keeps_the_process_and_replaces_everybody_else(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    family = [*(await shunt.workers()).values(), await shunt.brain()]
    shunt.signal(signal.SIGUSR2)
    await wait_generation(shunt, 2)

    async def are_gone() -> bool:
        return not any(map(is_alive, family))

    await until(are_gone)
    assert len(await shunt.workers()) == 2
    assert (await ask(shunt.url)).body == b"blue"
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 0


async def test_overrides_survive_an_upgrade(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    assert (await shunt.post("switch", scope="shop", version="green")).status == 200
    assert (await shunt.post("upgrade")).status == 200
    await wait_generation(shunt, 2)
    assert (await ask(shunt.url)).body == b"green"
    assert (await shunt.post("undo")).status == 200
    assert (await ask(shunt.url)).body == b"blue"


async def test_rules_that_the_new_code_refuses_leave_the_old_one_in_charge(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    shunt.rules.write_text("services: {shop: {hosts: 7}}")
    before = await shunt.workers()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.cli", "upgrade", "--admin", shunt.admin.removeprefix("http://")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert b"rules.yaml:1" in said
    assert await shunt.workers() == before
    assert (await ask(shunt.url)).body == b"blue"


async def test_what_is_in_flight_during_an_upgrade_is_answered(
    start_shunt: StartShunt, rules: str, blue: Backend
) -> None:
    shunt = await start_shunt(rules)
    asked = [asyncio.create_task(ask(shunt.url, "/slow")) for _ in range(20)]

    async def all_wait() -> bool:
        return blue.waiting == 20

    await until(all_wait)
    shunt.signal(signal.SIGUSR2)
    await wait_generation(shunt, 2)
    blue.gate.set()
    assert {(await one).body for one in asked} == {b"blue"}


async def test_upgrades_under_load_fail_nobody_and_refuse_nobody(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    async with load(shunt.url, clients=4) as kept, load(shunt.url, clients=4, fresh=True) as fresh:
        for generation in range(2, 5):
            shunt.signal(signal.SIGUSR2)
            await wait_generation(shunt, generation)
    assert kept.failed == []
    assert fresh.failed == []


async def test_a_generation_that_does_not_start_leaves_the_old_one_in_charge(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    before, brain = await shunt.workers(), await shunt.brain()
    async with load(shunt.url, clients=4, fresh=True) as tally:
        shunt.signal(signal.SIGUSR2)

        async def is_stillborn() -> bool:
            for child in children(shunt.pid):
                if child != brain and b"proxy.control.brain" in command(child):
                    os.kill(child, signal.SIGKILL)
                    return True
            return False

        await until(is_stillborn)

        async def is_told() -> bool:
            return (await shunt.status())["upgrade_fault"] != ""

        await until(is_told)
    assert tally.failed == []
    assert await shunt.workers() == before
    assert await shunt.brain() == brain
    assert (await shunt.post("switch", scope="shop", version="green")).status == 200
    assert (await ask(shunt.url)).body == b"green"
    shunt.signal(signal.SIGUSR2)
    await wait_generation(shunt, 2)
    assert (await ask(shunt.url)).body == b"green"


async def test_a_unix_listener_serves_on_through_an_upgrade(
    start_shunt: StartShunt, rules: str, tmp_path: Path
) -> None:
    address = f"unix:{tmp_path}/s.sock"
    shunt = await start_shunt(rules, "--listen", address)
    async with load(address, clients=4, fresh=True) as tally:
        shunt.signal(signal.SIGUSR2)
        await wait_generation(shunt, 2)
    assert tally.failed == []
    assert (await ask(address)).body == b"blue"


async def test_a_change_after_an_upgrade_holds_on_the_connections_of_the_old_generation_too(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    lines = [Line(shunt.url) for _ in range(8)]
    assert {(await line.ask()).body for line in lines} == {b"blue"}
    shunt.signal(signal.SIGUSR2)
    await wait_generation(shunt, 2)

    async def are_all_there() -> bool:
        return len(await shunt.workers()) == 4

    await until(are_all_there)
    assert (await shunt.post("switch", scope="shop", version="green")).status == 200
    replies = [await line.ask() for line in lines]
    assert {(reply.body, reply.head["connection"]) for reply in replies} == {(b"green", "close")}

    async def are_two() -> bool:
        return len(await shunt.workers()) == 2

    await until(are_two)
