"""What the fault scenarios have in common: targets as processes, a name server, and what an instance uses."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import dns.message
import dns.rrset

from live.instance import Instance, ask, until


class TargetProcess:
    """A target that can be killed."""

    def __init__(self, name: str, host: str = "127.0.0.1", port: int = 0, mode: str = "answer") -> None:
        self.name = name
        self.host = host
        self.port = port
        self._mode = mode
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> TargetProcess:
        """Return once it listens; at the same port again after an end."""
        program = str(Path(__file__).with_name("target.py"))
        command = [sys.executable, program, self.name, f"{self.host}:{self.port}", self._mode]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(await self._process.stdout.readline())
        return self

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait until it is gone."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            await self._process.wait()

    async def asked(self) -> int:
        """Requests that it has got."""
        return int((await ask(self.url, "/_asked")).body)

    async def behave(self, mode: str) -> None:
        """Misbehave from now on, or be good again."""
        assert (await ask(self.url, f"/_mode/{mode}")).status == 200


@asynccontextmanager
async def targets(*names: str, mode: str = "answer") -> AsyncIterator[list[TargetProcess]]:
    """Running targets, ended at the end."""
    made = [TargetProcess(name, mode=mode) for name in names]
    try:
        for each in made:
            await each.start()
        yield made
    finally:
        for each in made:
            await each.end(signal.SIGKILL)


def rules_for(made: list[TargetProcess], more: str = "") -> str:
    """One service for every host, one version with all targets; `more` are further lines of the service."""
    urls = ", ".join(f'"{each.url}"' for each in made)
    lines = [
        *("services:", "  shop:", '    hosts: ["*"]', f"    versions: {{v1: {{targets: [{urls}]}}}}"),
        *(f"    {line}" for line in more.splitlines()),
    ]
    return "\n".join([*lines, ""])


# --- what an instance says and uses --------------------------------------------------------


async def metric(shunt: Instance, name: str, **labels: str) -> float:
    """The sum of all series of that name with these labels."""
    text = (await ask(shunt.telemetry, "/metrics")).body.decode()
    total = 0.0
    for found in re.finditer(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE):
        if all(f'{label}="{value}"' in (found[1] or "") for label, value in labels.items()):
            total += float(found[2])
    return total


async def wait_metric(shunt: Instance, name: str, least: float, **labels: str) -> float:
    """The metric, once it is at least so high."""

    async def is_there() -> bool:
        return await metric(shunt, name, **labels) >= least

    await until(is_there)
    return await metric(shunt, name, **labels)


async def worker_bytes(shunt: Instance) -> int:
    """Memory that is the workers' own."""
    return sum(_private_bytes(pid) for pid in (await shunt.workers()).values())


def _private_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) * 1024 for size in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))


async def worker_descriptors(shunt: Instance) -> int:
    """Open descriptors of all workers."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in (await shunt.workers()).values())


# --- names -----------------------------------------------------------------------------------


class NameServer(asyncio.DatagramProtocol):
    """Answers every question of type A with the present address, and says how long it holds."""

    def __init__(self, address: str, ttl_seconds: int) -> None:
        self.address = address
        self.ttl_seconds = ttl_seconds
        self.port = 0
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        asked = question.question[0]
        if self.address and dns.rdatatype.to_text(asked.rdtype) == "A":
            answer.answer.append(dns.rrset.from_text(asked.name, self.ttl_seconds, "IN", "A", self.address))
        self._transport.sendto(answer.to_wire(), peer)


@asynccontextmanager
async def name_server(address: str, ttl_seconds: int) -> AsyncIterator[NameServer]:
    """A name server on loopback."""
    loop = asyncio.get_running_loop()
    transport, served = await loop.create_datagram_endpoint(
        lambda: NameServer(address, ttl_seconds), local_addr=("127.0.0.1", 0)
    )
    try:
        yield served
    finally:
        transport.close()
