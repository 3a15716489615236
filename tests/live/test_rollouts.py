"""Rollouts through the real proxy: the healthy are promoted, the sick go back, and no crash forgives anything."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from live.conftest import StartShunt
from live.instance import Backend, Instance, Line, ask, load, until

STEPS = "[{setWeight: 20}, {pause: 300ms}, {setWeight: 50}, {pause: 300ms}, {setWeight: 100}]"
ANALYSIS = "{minimum: 50, seconds: 500ms, warm_up: 0s}"


def rules(
    blue: Backend, green: Backend, *, steps: str = STEPS, analysis: str = ANALYSIS, more: str = "", extra: str = ""
) -> str:
    """One service for every host with a canary that is rolled out."""
    return f"""
services:
  shop:
    hosts: ["*"]
    versions: {{blue: "{blue.url}", green: "{green.url}"}}
    canary: {{stable: blue, candidate: green}}
    {extra}
    progressive:
      release: r1
      steps: {steps}
      analysis: {analysis}
      {more}
"""


class Flaky(Backend):
    """A target that fails one answer in so many, by its own seeded dice."""

    def __init__(self, name: str, error_rate: float, seed: int) -> None:
        super().__init__(name)
        self.error_rate = error_rate
        self.failed = 0
        self.last_asked = 0.0
        self._dice = random.Random(seed)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        self.last_asked = asyncio.get_running_loop().time()
        is_failure = self._dice.random() < self.error_rate
        self.failed += is_failure
        status, name = (b"500 Oops" if is_failure else b"200 OK"), self.name.encode()
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(name), name))
        await writer.drain()


@pytest.fixture
async def steady() -> AsyncIterator[Flaky]:
    """A stable version that fails one answer in a hundred."""
    backend = Flaky("steady", 0.01, seed=1)
    await backend.start()
    yield backend
    await backend.stop()


@pytest.fixture
async def sick() -> AsyncIterator[Flaky]:
    """A candidate that fails five answers in a hundred."""
    backend = Flaky("sick", 0.05, seed=2)
    await backend.start()
    yield backend
    await backend.stop()


async def rollout(shunt: Instance) -> dict[str, object]:
    """The only rollout as the admin API shows it; {} while there is none."""
    found = (await shunt.get("/v1/rollouts")).json
    assert isinstance(found, dict)
    return found["rollouts"][0] if found["rollouts"] else {}


def is_in(shunt: Instance, *phases: str) -> Callable[[], Awaitable[bool]]:
    """Whether the rollout is in one of these phases."""

    async def asked() -> bool:
        return (await rollout(shunt)).get("phase") in phases

    return asked


def has(shunt: Instance, **wanted: object) -> Callable[[], Awaitable[bool]]:
    """Whether the rollout shows these values."""

    async def asked() -> bool:
        shown = await rollout(shunt)
        return all(shown.get(name) == value for name, value in wanted.items())

    return asked


async def test_a_healthy_candidate_is_promoted_to_100_percent(
    start_shunt: StartShunt, blue: Backend, green: Backend
) -> None:
    shunt = await start_shunt(rules(blue, green))
    async with load(shunt.url, fresh=True) as tally:
        await until(is_in(shunt, "done"))
    assert not tally.failed
    assert {(await ask(shunt.url)).body for _ in range(20)} == {b"green"}
    ledger = (await shunt.get("/v1/ledger")).json
    assert isinstance(ledger, dict)
    assert [entry["kind"] for entry in ledger["entries"]].count("rollout") == 3


async def test_a_candidate_with_5_percent_of_errors_goes_back_within_900_requests(
    start_shunt: StartShunt, steady: Flaky, sick: Flaky
) -> None:
    shunt = await start_shunt(rules(steady, sick, steps="[{setWeight: 20}, {pause: {}}]", extra="rescue: false"))
    async with load(shunt.url, clients=4):
        await until(is_in(shunt, "aborted"), 60)
        asked = sick.asked
        stable_asked = steady.asked

        async def goes_on() -> bool:
            return steady.asked > stable_asked + 200

        await until(goes_on)
        assert sick.asked <= asked + 1, "somebody was still sent to the candidate"
    assert 20 <= sick.asked <= 900
    shown = await rollout(shunt)
    assert shown["weight"] == 0
    assert "worse" in str(shown["reason"])


async def test_with_rescue_no_client_of_get_sees_an_error_of_the_candidate(
    start_shunt: StartShunt, blue: Backend, sick: Flaky
) -> None:
    shunt = await start_shunt(rules(blue, sick, steps="[{setWeight: 20}, {pause: {}}]", more="on_failure: rollback"))
    async with load(shunt.url, clients=4) as tally:
        await until(is_in(shunt, "aborted"), 60)
    assert sick.failed
    assert not tally.failed


async def test_everything_in_the_report_can_be_computed_again(
    start_shunt: StartShunt, steady: Flaky, sick: Flaky, tmp_path: Path
) -> None:
    shunt = await start_shunt(rules(steady, sick, steps="[{setWeight: 50}, {pause: {}}]", extra="rescue: false"))
    async with load(shunt.url, clients=4):
        await until(is_in(shunt, "aborted"), 60)
    file = tmp_path / "report.json"
    file.write_bytes((await shunt.get("/v1/rollouts/report?scope=shop")).body)
    code, told = await cli("rollout", "replay", str(file), "--output", "json")
    assert code == 0
    figures = json.loads(told)
    assert all(figure["deviation"] <= 1e-9 for figure in figures)
    assert figures[-1]["has_crossed"]
    assert (await cli("rollout", "show", "shop", "--admin", shunt.admin))[0] == 0


async def test_after_an_abort_the_candidate_gets_nothing(
    start_shunt: StartShunt, blue: Backend, green: Backend
) -> None:
    shunt = await start_shunt(rules(blue, green, steps="[{setWeight: 50}, {pause: {}}]"))
    async with load(shunt.url) as tally:
        await until(has(shunt, phase="gated", weight=50.0))
        assert (await shunt.post("rollouts/abort", scope="shop", why="nerves")).status == 200
        asked, answered = green.asked, blue.asked

        async def goes_on() -> bool:
            return blue.asked > answered + 200

        await until(goes_on)
        assert green.asked <= asked + 8, "only what was on its way may arrive"
    assert not tally.failed


async def test_people_do_not_disturb_a_running_rollout_but_may_when_it_is_paused(
    start_shunt: StartShunt, blue: Backend, green: Backend
) -> None:
    shunt = await start_shunt(rules(blue, green, steps="[{setWeight: 50}, {pause: 1h}]"))
    await until(has(shunt, weight=50.0))
    refused = await shunt.post("weight", scope="shop", weight=5.0)
    assert refused.status == 409
    assert b"pause or abort first" in refused.body
    assert (await shunt.post("undo", service="shop")).status == 409
    assert (await shunt.post("rollouts/pause", scope="shop")).status == 200
    assert (await shunt.post("weight", scope="shop", weight=5.0)).status == 200
    assert (await shunt.post("rollouts/resume", scope="shop")).status == 200

    async def is_restored() -> bool:
        service = (await shunt.get("/v1/services/shop")).json
        assert isinstance(service, dict)
        return service["strategies"][0]["percent"]["green"] == 50.0

    await until(is_restored)


async def test_a_killed_brain_neither_skips_nor_repeats_a_step_and_the_pause_goes_on(
    start_shunt: StartShunt, blue: Backend, green: Backend
) -> None:
    steps = "[{setWeight: 20}, {pause: 3s}, {setWeight: 50}, {pause: 3s}]"
    shunt = await start_shunt(rules(blue, green, steps=steps, analysis="{enabled: false}"))
    seen: list[tuple[object, object]] = []
    async with load(shunt.url) as tally:
        for weight in (20.0, 50.0):
            await until(has(shunt, weight=weight, phase="running"))
            before = await rollout(shunt)
            os.kill(await shunt.brain(), signal.SIGKILL)
            await until(has(shunt, weight=weight))
            after = await rollout(shunt)
            assert (after["step"], after["since"], after["until"]) == (before["step"], before["since"], before["until"])
            seen.append((after["step"], after["weight"]))
        await until(is_in(shunt, "done"))
    assert not tally.failed
    assert seen == [(1, 20.0), (3, 50.0)]
    report = (await shunt.get("/v1/rollouts/report?scope=shop")).json
    assert isinstance(report, dict)
    told = Counter(line["event"] for line in report["report"]["lines"])
    assert (told["started"], told["weight"], told["promoted"]) == (1, 2, 1)


async def test_what_the_judge_knew_survives_the_brain(start_shunt: StartShunt, blue: Backend, sick: Flaky) -> None:
    sick.error_rate = 0.02
    steps = "[{setWeight: 50}, {pause: {}}]"
    shunt = await start_shunt(rules(blue, sick, steps=steps, analysis="{alpha: 0.000001, warm_up: 0s}"))
    await until(has(shunt, phase="gated", weight=50.0))
    line = Line(shunt.url)
    for _ in range(400):
        await line.ask()

    async def all_heard() -> bool:
        return (await rollout(shunt)).get("requests") == sick.asked

    await until(all_heard)
    for _ in range(2):
        os.kill(await shunt.brain(), signal.SIGKILL)
        for _ in range(100):
            await line.ask()
        await until(all_heard)
    await line.close()


class Tunnels(Backend):
    """A target that takes every request for a tunnel, and echoes what comes through."""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if b"upgrade:" not in head.lower():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while sent := await reader.read(1024):
            writer.write(sent)
            await writer.drain()
        raise ConnectionResetError("the tunnel is over")


async def test_tunnels_of_a_candidate_that_went_back_are_closed_after_their_grace(
    start_shunt: StartShunt, blue: Backend, tmp_path: Path
) -> None:
    config = tmp_path / "shunt.yaml"
    config.write_text("drain: {tunnel_grace: 100ms}\n")
    candidate = Tunnels("green")
    await candidate.start()
    text = rules(blue, candidate, steps="[{setWeight: 99.9}, {pause: {}}]")
    shunt = await start_shunt(text, "--config", str(config))
    await until(has(shunt, weight=99.9))
    host, _, port = shunt.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    assert (await shunt.post("rollouts/abort", scope="shop")).status == 200
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await candidate.stop()


async def cli(*arguments: str) -> tuple[int, str]:
    """The exit code of `shunt …`, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.cli", *arguments, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()
