"""The play: backends, proxy, clients and view come on, and leave no trace when it is over."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import aiohttp
from rich.console import Console
from rich.live import Live

from proxy.demo import view
from proxy.demo.backends import Backend, cast
from proxy.demo.child import Child, NotServing
from proxy.demo.load import Load
from proxy.demo.readings import Counters, Figures, Name, moved, read
from proxy.demo.script import Stage, rules_text

LOOK_SECONDS = 1.0
LINE_SECONDS = 2.0
RESTART_SECONDS = 3.0


def main(*, seconds: float = 0.0, has_load: bool = True, port: int | None = None) -> int:
    """Run the demo until Ctrl-C, SIGTERM, or so many seconds (0: no end); the exit code.

    Without a port the proxy takes 8080 and its usual neighbours, if all are free; port 0 is any.
    """
    return asyncio.run(_play(Console(), seconds, port, has_load=has_load))


async def _play(console: Console, seconds: float, port: int | None, *, has_load: bool) -> int:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shunt-demo-")))
        backends = cast()
        for backend in backends:
            await backend.start()
            stack.push_async_callback(backend.stop)
        (directory / "rules.yaml").write_text(rules_text(backends), "utf-8")
        child = Child(directory, port)
        stack.push_async_callback(child.stop)
        try:
            stage = await _open(child, directory)
        except NotServing as failure:
            console.print(str(failure), style="red", markup=False)
            return 1
        console.print(view.playbill(stage), markup=False, highlight=False, soft_wrap=True)
        show = _Show(console, stage, Load(stage.proxy) if has_load else None)
        await _until_over(show, child, backends, over, seconds)
        if child.has_ended:
            console.print(f"The proxy ended by itself:\n{child.said()}", style="red", markup=False)
            return 1
    return 0


async def _open(child: Child, directory: Path) -> Stage:
    """The addresses and commands, once the proxy serves."""
    proxy, admin, telemetry = await child.start()
    return Stage(proxy, admin, telemetry, shlex.quote(str(directory / "rules.yaml")), _how_called())


def _how_called() -> str:
    """A way to call this program that works where the demo was started."""
    beside = Path(sys.executable).with_name("shunt")
    if shutil.which("shunt") or not beside.exists():
        return "shunt"
    with suppress(ValueError):
        return shlex.quote(str(beside.relative_to(Path.cwd())))
    return shlex.quote(str(beside))


class _Show:
    """Looks at the proxy every so often and shows what moved."""

    def __init__(self, console: Console, stage: Stage, load: Load | None) -> None:
        self._console = console
        self._stage = stage
        self.load = load
        self._requests_before = 0
        self._last: dict[Name, Counters] = {}

    async def run(self) -> None:
        """Show until cancelled."""
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False) as live:
                async for _, figures, clients in self._looks(LOOK_SECONDS):
                    live.update(view.table(figures, clients), refresh=True)
        else:
            async for seconds, figures, clients in self._looks(LINE_SECONDS):
                self._console.print(view.line(seconds, figures, clients), markup=False, highlight=False, soft_wrap=True)

    async def _looks(
        self, interval_seconds: float
    ) -> AsyncIterator[tuple[float, dict[Name, Figures], view.Clients | None]]:
        began = since = monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)) as session:
            before = await self._read(session)
            while True:
                await asyncio.sleep(interval_seconds)
                after, now = await self._read(session), monotonic()
                yield now - began, moved(before, after, now - since), self._clients(now - since)
                before, since = after, now

    async def _read(self, session: aiohttp.ClientSession) -> dict[Name, Counters]:
        with suppress(aiohttp.ClientError, TimeoutError):  # the brain may be on its way back; the proxy serves on
            async with session.get(f"{self._stage.telemetry}/metrics") as response:
                self._last = read(await response.text())
        return self._last

    def _clients(self, seconds: float) -> view.Clients | None:
        if self.load is None:
            return None
        seen = self.load.seen
        requests, self._requests_before = seen.requests - self._requests_before, seen.requests
        return view.Clients(requests / seconds, max(seen.take_seconds(), default=0.0), seen.failed)


async def _until_over(show: _Show, child: Child, backends: list[Backend], over: asyncio.Event, seconds: float) -> None:
    """Let everything run until somebody ends it, the time is up, or the proxy is gone."""
    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(over.wait()), group.create_task(child.wait())]
        if seconds:
            ends.append(group.create_task(asyncio.sleep(seconds, 0)))
        running = [group.create_task(show.run()), group.create_task(_restart_one_by_one(backends))]
        if show.load is not None:
            running.append(group.create_task(show.load.run()))
        await asyncio.wait([*ends, *running], return_when=asyncio.FIRST_COMPLETED)
        for task in (*ends, *running):
            task.cancel()


async def _restart_one_by_one(backends: list[Backend]) -> None:
    """A rolling restart that never ends: the targets of `news` leave and come back, one at a time."""
    for backend in itertools.cycle([backend for backend in backends if backend.service == "news"]):
        await asyncio.sleep(RESTART_SECONDS)
        await backend.stop()
        await asyncio.sleep(RESTART_SECONDS / 3)
        await backend.start()
