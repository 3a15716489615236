"""The proxy as its user would start it: `shunt run`, in a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from proxy.errors import ShuntError

PORTS = (8080, 9901, 9902)
"""Proxy, admin API, telemetry: taken if all three are free, else any that are."""
START_SECONDS = 60.0
STOP_SECONDS = 15.0
SETTINGS = "drain: {bound: 2s, tunnel_grace: 1s}  # a browser's idle connection must not hold up the end\n"
_SERVING = re.compile(r"serving on (http://[^,\s]+), admin (http://[^,\s]+), telemetry (http://[^,\s]+)")


class NotServing(ShuntError):
    """The proxy did not come up; the message has what it wrote."""


class Child:
    """`shunt run` with the demo's rules; its diagnostics go to a file beside them."""

    def __init__(self, directory: Path, port: int | None) -> None:
        self._directory = directory
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> tuple[str, str, str]:
        """Start, and return the addresses of proxy, admin API and telemetry; NotServing when it does not come up."""
        with (self._directory / "shunt.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "proxy.cli", "run", *self._options()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # A Ctrl-C at the terminal is ours to pass on, after the load has stopped.
                process_group=0,
            )
        try:
            return await asyncio.wait_for(self._addresses(self._process), START_SECONDS)
        except TimeoutError:
            raise NotServing(f"shunt run did not serve within {START_SECONDS:.0f} s") from None

    async def wait(self) -> int:
        """Wait until the proxy ends by itself; its exit code."""
        assert self._process is not None
        return await self._process.wait()

    @property
    def has_ended(self) -> bool:
        """Whether the proxy is gone although nobody stopped it."""
        return self._process is not None and self._process.returncode is not None

    async def stop(self) -> None:
        """End it as an orchestrator would: SIGTERM, and by force after a bound."""
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    def said(self) -> str:
        """The last lines that the proxy wrote to stderr."""
        lines = (self._directory / "shunt.log").read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-20:])

    def _options(self) -> list[str]:
        ports = free_ports() if self._port is None else (self._port, 0, 0)
        proxy, admin, telemetry = (f"127.0.0.1:{port}" for port in ports)
        rules = str(self._directory / "rules.yaml")
        config = self._directory / "shunt.yaml"
        config.write_text(SETTINGS, "utf-8")
        where = ["--listen", proxy, "--admin", admin, "--telemetry", telemetry]
        return ["--config", str(config), "--rules", rules, *where]

    async def _addresses(self, process: asyncio.subprocess.Process) -> tuple[str, str, str]:
        assert process.stdout is not None
        while text := await process.stdout.readline():
            found = _SERVING.search(text.decode())
            if found:
                return found[1], found[2], found[3]
        raise NotServing(f"shunt run ended with {await process.wait()}:\n{self.said()}")


def free_ports() -> tuple[int, ...]:
    """The usual ports if all are free, else 0 for each: any."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return (0, 0, 0)
    return PORTS
