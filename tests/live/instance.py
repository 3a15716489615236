"""A running `shunt run` and the backends behind it, for tests that need the real thing.

Clients here never try again by themselves: a failure that a library would hide is what these tests look for.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

PATIENCE_SECONDS = 20.0
"""A bound for everything that must happen at all; what must happen fast says so itself."""
_ANNOUNCED = re.compile(
    r"shunt \S+ serving on (?P<clients>.+), admin (?P<admin>\S+), telemetry (?P<telemetry>\S+), "
    r"(?:ofrep (?P<ofrep>\S+), )?"
    r"(?P<workers>\d+) workers?, revision (?P<revision>\d+)"
)


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Ask again and again; TimeoutError when it never becomes so. Whoever cannot be reached yet says no."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(OSError):
                if await is_so():
                    return
            await asyncio.sleep(0.02)


class Reply(NamedTuple):
    """A response, whole; `head` has lower-case names."""

    status: int
    head: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


class Line:
    """One keep-alive connection of a client."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, path: str = "/", *, method: str = "GET", host: str = "shop.test", body: bytes = b"", fields: str = ""
    ) -> Reply:
        """One request and its whole answer; ConnectionError when it is cut."""
        reader, writer = self._streams or await self._open()
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{length}{fields}\r\n".encode() + body)
        try:
            reply = await _read_reply(reader)
        except (asyncio.IncompleteReadError, ConnectionError) as cut:
            await self.close()
            raise ConnectionError(f"cut: {cut}") from cut
        if reply.head.get("connection", "").lower() == "close":
            await self.close()
        return reply

    async def close(self) -> None:
        """Close it; the next request opens another."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._address.startswith("unix:"):
            self._streams = await asyncio.open_unix_connection(self._address.removeprefix("unix:"))
        else:
            host, _, port = self._address.removeprefix("http://").rpartition(":")
            self._streams = await asyncio.open_connection(host.strip("[]"), int(port))
        return self._streams


async def ask(address: str, path: str = "/", **more: object) -> Reply:
    """One request on a connection of its own."""
    line = Line(address)
    try:
        return await line.ask(path, **more)  # type: ignore[arg-type]
    finally:
        await line.close()


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name}
    if head.get("transfer-encoding", "") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(head.get("content-length", "0")))
    return Reply(int(lines[0].split()[1]), head, body)


class Backend:
    """A target that answers with its name; on `/slow` only once its gate is open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.waiting = 0
        self.gate = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; at the same port again after a stop."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more and cut every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._answer(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        length = re.search(rb"content-length: (\d+)", head.lower())
        if length:
            await reader.readexactly(int(length[1]))
        if head.split(b" ", 2)[1].startswith(b"/slow"):
            self.waiting += 1
            await self.gate.wait()
            self.waiting -= 1
        name = self.name.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))
        await writer.drain()


class Instance:
    """One `shunt run`, from its first line to its exit code."""

    def __init__(self, process: asyncio.subprocess.Process, rules: Path) -> None:
        self.process = process
        self.rules = rules
        self.listening: tuple[str, ...] = ()
        self.admin = self.telemetry = self.ofrep = ""
        self.lines: list[str] = []
        """What it has said on stdout and stderr, in the order in which it came."""
        self._reading = [asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)]
        self._announced = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the first listener serves clients."""
        return self.listening[0]

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Signal the supervisor."""
        self.process.send_signal(number)

    async def wait_serving(self) -> None:
        """Return once it has announced its addresses; AssertionError with its words when it has ended instead."""
        ended = asyncio.create_task(self.process.wait())
        announced = asyncio.create_task(self._announced.wait())
        await asyncio.wait([ended, announced], timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, announced):
            task.cancel()
        assert self._announced.is_set(), "\n".join(self.lines)

    async def wait_exit(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code, once all that it said was read."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await asyncio.gather(*self._reading)
        return code

    async def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGINT)
            try:
                await self.wait_exit(5.0)
            except TimeoutError:
                self.process.kill()
                await self.wait_exit()
        for task in self._reading:
            task.cancel()

    # --- the admin API -----------------------------------------------------------------

    async def get(self, path: str) -> Reply:
        """Ask the admin API."""
        return await ask(self.admin, path, host=self.admin.removeprefix("http://"))

    async def post(self, verb: str, **said: object) -> Reply:
        """One verb by the admin API, such as `post("switch", scope="shop", version="green")`."""
        return await ask(
            self.admin,
            f"/v1/{verb}",
            method="POST",
            host=self.admin.removeprefix("http://"),
            body=json.dumps(said).encode(),
            fields="Content-Type: application/json\r\n",
        )

    async def status(self) -> dict[str, object]:
        """The status as the admin API gives it."""
        found = (await self.get("/v1/status")).json
        assert isinstance(found, dict)
        return found

    async def workers(self) -> dict[int, int]:
        """The pid of each living worker, by slot."""
        found = (await self.status())["workers"]
        assert isinstance(found, list)
        return {worker["slot"]: worker["pid"] for worker in found}

    async def brain(self) -> int:
        """The control plane's pid."""
        (pid,) = [child for child in children(self.pid) if b"proxy.control.brain" in command(child)]
        return pid

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        async for raw in stream:
            line = raw.decode().rstrip()
            self.lines.append(line)
            found = _ANNOUNCED.fullmatch(line)
            if found:
                self.listening = tuple(found["clients"].split(", "))
                self.admin, self.telemetry, self.ofrep = found["admin"], found["telemetry"], found["ofrep"] or ""
                self._announced.set()


def children(pid: int) -> list[int]:
    """The living children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> bytes:
    """The command line of a process, b"" when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def libraries(pid: int) -> str:
    """The files that a process has mapped, shared libraries among them."""
    return Path(f"/proc/{pid}/maps").read_text()


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def launch(directory: Path, rules: str, *options: str) -> Instance:
    """Start `shunt run` with these rules on free ports; more options as on the command line."""
    file = directory / "rules.yaml"
    file.write_text(rules)
    given = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--telemetry", "127.0.0.1:0", "--workers", "2"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.cli", "run", "--rules", str(file), *given, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    return Instance(process, file)


class Tally:
    """What clients got: answers by body, and everything that was not a 200."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []


@asynccontextmanager
async def load(url: str, *, clients: int = 8, path: str = "/", fresh: bool = False) -> AsyncIterator[Tally]:
    """Clients that ask without a pause until the block ends; `fresh`: a new connection for every request."""
    tally = Tally()
    over = asyncio.Event()

    async def client() -> None:
        line = Line(url)
        while not over.is_set():
            try:
                reply = await line.ask(path)
            except OSError as fault:
                tally.failed.append(repr(fault))
                continue
            if reply.status == 200:
                tally.answered[reply.body.decode()] += 1
            else:
                tally.failed.append(f"{reply.status} {reply.head.get('x-shunt-error')}")
            if fresh:
                await line.close()
        await line.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
        try:
            yield tally
        finally:
            over.set()
