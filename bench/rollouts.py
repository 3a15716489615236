"""The claims about rollouts, through the real proxy: the sick go back in time, the healthy are promoted.

python -m bench.rollouts [--runs 20]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

OUT = Path(__file__).parent / "out" / "rollouts.json"
CLIENTS = 8
RUN_SECONDS = 120.0
MOST_CANDIDATE_REQUESTS = 900
MOST_LATE_SECONDS = 1.0
_ADMIN = re.compile(rb"serving on (\S+), admin (\S+),")
_SICK = "[{setWeight: 20}, {pause: {}}]"
_HEALTHY = "[{setWeight: 20}, {pause: 1s}, {setWeight: 50}, {pause: 1s}, {setWeight: 100}]"


@dataclass(frozen=True)
class Run:
    """How one rollout went."""

    phase: str
    candidate_requests: int
    seconds: float
    late_seconds: float
    """From the error with which the evidence crossed to the last new request of the candidate."""
    clients_failed: int


class Target(asyncio.Protocol):
    """One connection of a target that fails one answer in so many."""

    def __init__(self, target: Backend) -> None:
        self._target = target
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, received: bytes) -> None:
        *heads, self._unread = (self._unread + received).split(b"\r\n\r\n")
        for _ in heads:
            self._transport.write(self._target.answer())


class Backend:
    """A version, and when it was asked."""

    def __init__(self, error_rate: float, seed: int) -> None:
        self._error_rate = error_rate
        self._dice = random.Random(seed)
        self.asked: list[float] = []
        self.failed: list[float] = []

    def answer(self) -> bytes:
        """The next answer."""
        self.asked.append(time.time())
        if self._dice.random() >= self._error_rate:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.failed.append(self.asked[-1])
        return b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"

    async def start(self) -> asyncio.Server:
        """Listen somewhere."""
        return await asyncio.get_running_loop().create_server(lambda: Target(self), "127.0.0.1", 0)


async def _play(steps: str, stable: Backend, candidate: Backend, *, rescue: bool) -> Run:
    async with await stable.start() as first, await candidate.start() as second:
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in (first, second)]
        rules = f"""
services:
  shop:
    hosts: "*"
    versions: {{v1: "{urls[0]}", v2: "{urls[1]}"}}
    canary: {{stable: v1, candidate: v2}}
    rescue: {str(rescue).lower()}
    progressive: {{release: r1, steps: {steps}, analysis: {{seconds: 1s, minimum: 300}}}}
"""
        async with _shunt(rules) as (clients, admin):
            began, failed = time.time(), [0]
            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(_ask_on(clients, failed)) for _ in range(CLIENTS)]
                report = await _ended(admin)
                seconds = time.time() - began
                await asyncio.sleep(MOST_LATE_SECONDS)
                for task in asking:
                    task.cancel()
        return Run(report["phase"], len(candidate.asked), seconds, _late(report, candidate), failed[0])


def _late(report: dict, candidate: Backend) -> float:
    """0 for who was promoted."""
    verdict = next((line for line in report["lines"] if line["event"] == "rolled back"), None)
    if verdict is None or not verdict["failed"][1]:
        return 0.0
    return max(0.0, candidate.asked[-1] - candidate.failed[verdict["failed"][1] - 1])


@asynccontextmanager
async def _shunt(rules: str) -> AsyncIterator[tuple[str, str]]:
    """A running proxy: where clients and people ask."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "rules.yaml")
        await asyncio.to_thread(file.write_text, rules)
        places = [word for name in ("listen", "admin", "telemetry", "ofrep") for word in (f"--{name}", "127.0.0.1:0")]
        command = (sys.executable, "-m", "proxy.cli", "run", "--rules", str(file), "--workers", "2", *places)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert process.stdout is not None
        try:
            found = _ADMIN.search(await asyncio.wait_for(process.stdout.readline(), 30))
            assert found is not None, "it does not start"
            yield found[1].decode().removeprefix("http://"), found[2].decode().removeprefix("http://")
        finally:
            process.terminate()
            await process.wait()


async def _ask_on(place: str, failed: list[int]) -> None:
    host, _, port = place.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        while True:
            writer.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(4 if b"500 Oops" in head else 2)
            failed[0] += b" 200 " not in head.split(b"\r\n", 1)[0]
    finally:
        writer.close()


async def _ended(admin: str) -> dict:
    """The report, once the rollout is over."""
    until = time.monotonic() + RUN_SECONDS
    while True:
        report = (await _get(admin, "/v1/rollouts/report?scope=shop")).get("report", {})
        if report.get("phase") in ("done", "aborted") or time.monotonic() > until:
            return report
        await asyncio.sleep(0.05)


async def _get(place: str, path: str) -> dict:
    host, _, port = place.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def _all(runs: int) -> bool:
    sick = [await _play(_SICK, Backend(0.01, seed), Backend(0.05, 1000 + seed), rescue=False) for seed in range(runs)]
    in_time = sum(run.phase == "aborted" and run.candidate_requests <= MOST_CANDIDATE_REQUESTS for run in sick)
    _say(
        f"1 -> 5 % errors at 20 %: {in_time} of {runs} rolled back within {MOST_CANDIDATE_REQUESTS} candidate requests"
    )
    _say(f"    candidate requests: {_spread([run.candidate_requests for run in sick])}")
    late = [run.late_seconds for run in sick]
    _say(f"    crossing to the last new candidate request: {_spread([1000 * each for each in late])} ms")
    healthy = [
        await _play(_HEALTHY, Backend(0.01, seed), Backend(0.01, 1000 + seed), rescue=False) for seed in range(runs)
    ]
    promoted = sum(run.phase == "done" for run in healthy)
    _say(f"healthy: {promoted} of {runs} promoted to 100 %, {_spread([run.seconds for run in healthy])} s")
    rescued = await _play(_SICK, Backend(0.0, 0), Backend(0.05, 1), rescue=True)
    _say(f"with rescue: clients of GET saw {rescued.clients_failed} errors of {rescued.candidate_requests} tries")
    runs_of = {"sick": sick, "healthy": healthy, "rescued": [rescued]}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({name: [asdict(run) for run in played] for name, played in runs_of.items()}, indent=1))
    is_in_time = in_time >= 0.95 * runs and max(late) <= MOST_LATE_SECONDS
    return is_in_time and promoted == runs and not rescued.clients_failed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _spread(figures: list[float] | list[int]) -> str:
    return f"median {statistics.median(figures):.0f}, most {max(figures):.0f}"


def main() -> int:
    """Play, print, write; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.rollouts", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    return 0 if asyncio.run(_all(parser.parse_args().runs)) else 1


if __name__ == "__main__":
    sys.exit(main())
