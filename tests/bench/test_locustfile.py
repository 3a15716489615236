"""The load that checks: a good run passes, and one whose shares or sessions are off fails."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web

from tests.live.instance import Instance, launch

ROOT = Path(__file__).parents[2]
APP = ROOT / "deploy" / "kubernetes" / "app" / "app.py"
LOAD = ROOT / "bench" / "locustfile.py"
RUN_SECONDS = 60.0

pytestmark = pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="locust is not installed")


def application(version: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example application as it is deployed, as that version."""
    monkeypatch.setenv("APP_VERSION", version)
    spec = importlib.util.spec_from_file_location(f"app_{version}", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[str], Awaitable[Instance]]]:
    """`await start("identity: mint")` gives a Shunt that shares 70 to 30 between two versions of the application."""
    async with AsyncExitStack() as ending:

        async def started(more: str) -> Instance:
            addresses = {}
            for version in ("v1", "v2"):
                runner = web.AppRunner(application(version, monkeypatch).application(), shutdown_timeout=1.0)
                await runner.setup()
                ending.push_async_callback(runner.cleanup)
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                addresses[version] = f"http://127.0.0.1:{runner.addresses[0][1]}"
            rules = (
                f"services: {{shop: {{hosts: '*', versions: {{v1: '{addresses['v1']}', v2: '{addresses['v2']}'}}, "
                f"expose_version: true, canary: {{stable: v1, candidate: v2, weight: 30}}, {more}}}}}\n"
            )
            instance = await launch(tmp_path, rules, "--workers", "1")
            ending.push_async_callback(instance.end)
            await instance.wait_serving()
            return instance

        yield started


async def run(url: str, *options: str) -> tuple[int, str]:
    """One headless run of a few seconds; its exit code and what it said."""
    fixed = ("--headless", "-u", "20", "-r", "20", "-t", "4s", "--only-summary", "--host", url)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(LOAD), *fixed, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), RUN_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_good_run_passes_and_says_who_got_whom(start: Callable[[str], Awaitable[Instance]]) -> None:
    instance = await start("identity: mint")
    code, said = await run(instance.url, "--shares", "v1=70,v2=30")
    assert code == 0, said
    assert "sessions by version" in said


async def test_shares_that_no_chance_explains_fail_the_run(start: Callable[[str], Awaitable[Instance]]) -> None:
    instance = await start("identity: mint")
    code, said = await run(instance.url, "--shares", "v1=1,v2=99")
    assert code == 1, said
    assert "FAILED: v2 has" in said


async def test_sessions_that_stray_fail_the_run(start: Callable[[str], Awaitable[Instance]]) -> None:
    instance = await start("identity: []")
    code, said = await run(instance.url)
    assert code == 1, said
    assert "FAILED: sessions strayed" in said
