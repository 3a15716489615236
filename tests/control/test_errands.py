"""Errands: gates open, metrics decide, holds end, and everybody who wants to know is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from control.test_hooks import answering
from control.test_pacer import Stage, canary, programme
from proxy.rollout.state import Phase
from proxy.strategies.progressive import (
    Analysis,
    HoldStep,
    Metric,
    Notify,
    Pause,
    Provider,
    Step,
    Web,
    Webhook,
)


class Outside:
    """The world outside: what it answers by path, and what it was told."""

    def __init__(self) -> None:
        self.status = 200
        self.result: object = 1
        self.heard: list[tuple[str, dict[str, object]]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.can_read_body:
            self.heard.append((request.path, await request.json()))
        return web.json_response({"value": self.result}, status=self.status)


@pytest.fixture
async def outside() -> AsyncIterator[tuple[Outside, str]]:
    """The world outside and its URL."""
    world = Outside()
    async with answering(world.answer) as url:
        yield world, url


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[Callable[[Callable[[], bool]], Awaitable[None]]]:
    """A pacer that looks by itself; gives a way to wait until something is so."""
    await stage.begin()
    pacing = asyncio.create_task(stage.pacer.run())

    async def until(is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not (stage.pacer.courses() and is_so()):
                stage.pacer.wake()
                await asyncio.sleep(0.01)

    try:
        yield until
    finally:
        pacing.cancel()
        await asyncio.wait([pacing])


def hook(kind: str, url: str) -> Webhook:
    return Webhook(name=kind, type=kind, url=f"{url}/{kind}", retries=0)  # type: ignore[arg-type]


async def test_the_candidate_gets_nothing_before_the_gate_opens(outside: tuple[Outside, str]) -> None:
    world, url = outside
    world.status = 403
    stage = Stage(canary(programme(webhooks=(hook("confirm-rollout", url),))))
    async with running(stage) as until:
        await until(lambda: bool(world.heard))
        assert stage.weight == 0.0
        assert world.heard[0][1]["name"] == "shop"


async def test_a_gate_that_says_yes_is_passed(outside: tuple[Outside, str]) -> None:
    _, url = outside
    hooks = (hook("confirm-rollout", url), hook("pre-rollout", url))
    stage = Stage(canary(programme(webhooks=hooks)))
    async with running(stage) as until:
        await until(lambda: stage.weight == 20.0)


async def test_a_pre_rollout_exam_that_fails_ends_the_rollout_before_it_begins(outside: tuple[Outside, str]) -> None:
    world, url = outside
    world.status = 400
    stage = Stage(canary(programme(webhooks=(hook("pre-rollout", url),))))
    async with running(stage) as until:
        await until(lambda: stage.phase is Phase.ABORTED)
        assert stage.weight == 0.0


async def test_a_rollback_hook_takes_the_candidate_back(outside: tuple[Outside, str]) -> None:
    world, url = outside
    stage = Stage(canary(programme(webhooks=(hook("rollback", url),))))
    async with running(stage) as until:
        await until(lambda: stage.phase is Phase.ABORTED)
        assert world.heard


async def test_a_metric_that_fails_ends_the_rollout_and_one_that_holds_does_not(outside: tuple[Outside, str]) -> None:
    world, url = outside
    metric = Metric(
        name="sales",
        provider=Provider(web=Web(url=url, jsonPath="{$.value}")),
        interval=60.0,
        successCondition="result > 0",
    )
    stage = Stage(canary(programme(analysis=Analysis(minimum=0, metrics=(metric,)))))
    async with running(stage) as until:
        await until(lambda: stage.pacer.course("shop").runs.get("sales") is not None)
        await until(lambda: stage.pacer.course("shop").runs["sales"].successful == 1)
        assert stage.weight == 20.0
        world.result = 0
        stage.now += 61.0
        await until(lambda: stage.phase is Phase.ABORTED)
        assert "sales" in stage.pacer.report("shop").reason


async def test_a_metric_that_cannot_be_measured_is_an_error_after_five_times_and_no_success() -> None:
    metric = Metric(name="gone", provider=Provider(web=Web(url="http://127.0.0.1:1/")), interval=10.0)
    stage = Stage(canary(programme(analysis=Analysis(minimum=0, metrics=(metric,)))))
    async with running(stage) as until:
        for errors in range(1, 6):
            await until(lambda wanted=errors: _errors(stage, "gone") >= wanted)  # type: ignore[misc]
            assert errors == 5 or stage.phase is Phase.RUNNING
            stage.now += 11.0
        await until(lambda: stage.phase is Phase.ABORTED)
        assert "gone" in stage.pacer.report("shop").reason


async def test_a_hold_is_a_step_that_ends_released(outside: tuple[Outside, str]) -> None:
    world, url = outside
    steps = (Step(setWeight=20.0), Step(hold=HoldStep(max=5.0, hook=f"{url}/migrate")), Step(pause=Pause()))
    stage = Stage(canary(programme(steps=steps)))
    async with running(stage) as until:
        await until(lambda: stage.phase is Phase.GATED)
        assert [path for path, _ in world.heard] == ["/migrate"]
        assert not stage.planes.holds


async def test_a_hold_whose_hook_fails_takes_the_candidate_back(outside: tuple[Outside, str]) -> None:
    world, url = outside
    world.status = 400
    steps = (Step(setWeight=20.0), Step(hold=HoldStep(max=5.0, hook=f"{url}/migrate")), Step(setWeight=100.0))
    stage = Stage(canary(programme(steps=steps)))
    async with running(stage) as until:
        await until(lambda: stage.phase is Phase.ABORTED)
        assert not stage.planes.holds
        assert stage.weight == 0.0


async def test_whoever_wants_to_know_is_told_of_every_step(outside: tuple[Outside, str]) -> None:
    world, url = outside
    told = (hook("event", url), hook("post-rollout", url))
    stage = Stage(canary(programme(steps=(), webhooks=told, notify=(Notify(url=f"{url}/notify"),))))
    async with running(stage) as until:
        await until(lambda: {path for path, _ in world.heard} >= {"/event", "/post-rollout", "/notify"})
        events = [said["event"] for path, said in world.heard if path == "/notify"]
        assert events == ["started", "promoted"]


def _errors(stage: Stage, name: str) -> int:
    run = stage.pacer.course("shop").runs.get(name)
    return run.errors if run else 0
