"""Rollouts through the real proxy: the healthy are promoted, the sick go back at once, and no crash forgives anything."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from live.conftest import StartBackend, StartShunt
from live.instance import Backend, Instance, ask, load, until

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
