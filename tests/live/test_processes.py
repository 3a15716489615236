"""Processes: whatever dies, requests are answered, and every change reaches every worker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

from live.conftest import StartShunt
from live.instance import Backend, Line, ask, command, is_alive, libraries, load, until


async def test_it_serves_once_it_has_said_where(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    assert (await ask(shunt.url)).body == b"blue"
    assert (await shunt.status())["revision"] == 1
    assert len(await shunt.workers()) == 2
    assert (await ask(shunt.telemetry, "/readyz")).status == 200
    assert sum(" serving on " in line for line in shunt.lines) == 1


async def test_the_longest_question_that_explain_allows_is_answered(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    header = "&".join(f"header=x-{number}:{'a' * 3900}" for number in range(20))
    question = f"/v1/explain?host=shop.test&path=/{'a' * 7900}&{header}"
    assert (await ask(shunt.admin, question, host="localhost")).status == 200


async def test_sigterm_ends_it_with_code_0_and_leaves_nobody(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    family = [*(await shunt.workers()).values(), await shunt.brain()]
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 0
    assert not any(map(is_alive, family))


async def test_sigint_ends_it_with_code_0_without_the_grace(
    start_shunt: StartShunt, rules: str, tmp_path: Path
) -> None:
    config = tmp_path / "shunt.yaml"
    config.write_text("drain: {grace: 3600}\n")
    shunt = await start_shunt(rules, "--config", str(config))
    shunt.signal(signal.SIGINT)
    assert await shunt.wait_exit() == 0


async def test_in_its_grace_it_is_unready_and_still_serves_and_a_second_signal_forces(
    start_shunt: StartShunt, rules: str, tmp_path: Path
) -> None:
    config = tmp_path / "shunt.yaml"
    config.write_text("drain: {grace: 3600}\n")
    shunt = await start_shunt(rules, "--config", str(config))
    family = [*(await shunt.workers()).values(), await shunt.brain()]
    shunt.signal(signal.SIGTERM)

    async def is_unready() -> bool:
        return (await ask(shunt.telemetry, "/readyz")).status == 503

    await until(is_unready)
    assert (await ask(shunt.url)).body == b"blue"
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 128 + signal.SIGTERM
    assert not any(map(is_alive, family))


async def test_what_is_in_flight_is_answered_before_it_leaves(
    start_shunt: StartShunt, rules: str, blue: Backend
) -> None:
    shunt = await start_shunt(rules)
    asked = [asyncio.create_task(ask(shunt.url, "/slow")) for _ in range(20)]

    async def all_wait() -> bool:
        return blue.waiting == 20

    await until(all_wait)
    shunt.signal(signal.SIGTERM)

    async def refuses() -> bool:
        try:
            await ask(shunt.url)
        except OSError:
            return True
        return False

    await until(refuses)
    blue.gate.set()
    assert {(await one).body for one in asked} == {b"blue"}
    assert await shunt.wait_exit() == 0


async def test_a_taken_port_is_an_error_and_never_shared(start_shunt: StartShunt, rules: str) -> None:
    first = await start_shunt(rules)
    second = await start_shunt(rules, "--listen", first.url.removeprefix("http://"), wait=False)
    assert await second.wait_exit() == 2
    assert first.url.removeprefix("http://") in "\n".join(second.lines)
    assert (await ask(first.url)).body == b"blue"


async def test_broken_rules_at_the_start_are_exit_code_2(start_shunt: StartShunt) -> None:
    shunt = await start_shunt("services: {shop: {hosts: 7}}", wait=False)
    assert await shunt.wait_exit() == 2
    assert any("rules.yaml:1" in line for line in shunt.lines)


async def test_a_killed_worker_is_replaced_and_what_waited_on_its_socket_is_served(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules, "--workers", "1")
    (victim,) = (await shunt.workers()).values()
    os.kill(victim, signal.SIGSTOP)
    host, _, port = shunt.url.removeprefix("http://").rpartition(":")
    waiting = [socket.create_connection((host, int(port))) for _ in range(10)]
    os.kill(victim, signal.SIGKILL)
    for client in waiting:
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"blue")
        writer.close()

    async def is_replaced() -> bool:
        return list(await shunt.workers()) == [0] and (await shunt.workers())[0] != victim

    await until(is_replaced)


async def test_while_a_worker_is_away_its_neighbour_serves_its_socket(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    victim = (await shunt.workers())[0]
    async with load(shunt.url, fresh=True) as tally:
        os.kill(victim, signal.SIGKILL)

        async def is_replaced() -> bool:
            return (await shunt.workers()).get(0, victim) != victim

        await until(is_replaced)
        goal = tally.answered.total() + 500

        async def many_more() -> bool:
            return tally.answered.total() >= goal

        await until(many_more)
    assert len(tally.failed) <= 8, "only what was in flight on its connections is cut"


async def test_a_killed_brain_costs_nobody_a_request_and_comes_back_as_it_was(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    assert (await shunt.post("switch", scope="shop", version="green")).status == 200
    before = await shunt.status()
    ledger = (await shunt.get("/v1/ledger")).json
    async with load(shunt.url) as tally:
        os.kill(await shunt.brain(), signal.SIGKILL)

        async def is_back() -> bool:
            return len(await shunt.workers()) == 2

        await until(is_back)
        goal = tally.answered.total() + 500

        async def many_more() -> bool:
            return tally.answered.total() >= goal

        await until(many_more)
    assert tally.failed == []
    assert set(tally.answered) == {"green"}
    after = await shunt.status()
    assert after["services"] == before["services"]
    assert [worker["pid"] for worker in after["workers"]] == [worker["pid"] for worker in before["workers"]]
    assert after["revision"] == before["revision"]
    assert (await shunt.get("/v1/ledger")).json == ledger


async def test_a_brain_that_comes_back_to_broken_rules_keeps_the_last_good_ones(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    shunt.rules.write_text("services: {shop: {hosts: 7}}")
    brain = await shunt.brain()
    os.kill(brain, signal.SIGKILL)

    async def is_back() -> bool:
        return len(await shunt.workers()) == 2

    await until(is_back)
    assert (await ask(shunt.url)).body == b"blue"
    assert (await shunt.status())["rules_valid"] is False


async def test_a_stopped_worker_delays_a_switch_by_a_bound_and_the_answer_says_so(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    stopped = (await shunt.workers())[1]
    os.kill(stopped, signal.SIGSTOP)
    async with asyncio.timeout(10):
        answer = await shunt.post("switch", scope="shop", version="green")
    assert answer.status == 200
    assert answer.json["replaced_workers"] == [1]

    async def is_replaced() -> bool:
        return (await shunt.workers()).get(1, stopped) != stopped and not is_alive(stopped)

    await until(is_replaced)
    async with load(shunt.url, fresh=True) as tally:

        async def many() -> bool:
            return tally.answered.total() >= 200

        await until(many)
    assert tally.failed == []
    assert set(tally.answered) == {"green"}


async def test_a_hung_worker_is_found_and_replaced_though_nobody_asks_anything(
    start_shunt: StartShunt, rules: str
) -> None:
    shunt = await start_shunt(rules)
    hung = (await shunt.workers())[0]
    os.kill(hung, signal.SIGSTOP)

    async def is_replaced() -> bool:
        return (await shunt.workers()).get(0, hung) != hung

    await until(is_replaced)
    assert not is_alive(hung)


async def test_no_request_follows_an_old_table_after_the_answer(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    lines = [Line(shunt.url) for _ in range(16)]
    for turn in range(20):
        colour = ("green", "blue")[turn % 2]
        assert (await shunt.post("switch", scope="shop", version=colour)).status == 200
        replies = await asyncio.gather(*(line.ask() for line in lines))
        assert {reply.body.decode() for reply in replies} == {colour}
    for line in lines:
        await line.close()


async def test_sighup_reloads_and_no_client_notices(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    async with load(shunt.url) as tally:
        for active in ("green", "blue", "green"):
            shunt.rules.write_text(rules.replace("active: blue", f"active: {active}"))
            shunt.signal(signal.SIGHUP)

            async def has_moved(colour: str = active) -> bool:
                return (await ask(shunt.url)).body.decode() == colour

            await until(has_moved)
    assert tally.failed == []


async def test_without_its_supervisor_nobody_stays_behind(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    family = [*(await shunt.workers()).values(), await shunt.brain()]
    os.kill(shunt.pid, signal.SIGKILL)

    async def are_gone() -> bool:
        return not any(map(is_alive, family))

    await until(are_gone)


async def test_the_supervisor_loads_nothing_but_the_standard_library(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    assert b"proxy.supervisor" in command(shunt.pid)
    maps = libraries(shunt.pid)
    assert not [name for name in ("uvloop", "httptools", "yaml", "pydantic", "aiohttp", "re2") if name in maps]


async def test_a_unix_listener_serves_and_leaves_no_file(start_shunt: StartShunt, rules: str, tmp_path: Path) -> None:
    shunt = await start_shunt(rules, "--listen", f"unix:{tmp_path}/s.sock")
    assert (await ask(f"unix:{tmp_path}/s.sock")).body == b"blue"
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 0
    assert not (tmp_path / "s.sock").exists()
