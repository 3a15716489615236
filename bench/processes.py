"""Processes that are started here are measured from outside and ended here, by their ids."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

LOOPBACK = "127.0.0.1"
_END_SECONDS = 10.0


class Failed(Exception):
    """A process did not start, did not answer in time or answered wrongly; the message says which and why."""


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot take port 0 themselves."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Cores:
    """Who runs where: the proxy has a core of its own, load and origin share the others."""

    proxy: frozenset[int]
    others: frozenset[int]

    @property
    def every(self) -> frozenset[int]:
        """For what a proxy does with more than one process at once."""
        return self.proxy | self.others

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The first usable core for the proxy; with one core only, everybody shares it."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(frozenset(cores[:1]), frozenset(cores[1:] or cores))


class Child:
    """One started process with all its descendants; a context that ends them."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.log = log
        self._process = process

    @classmethod
    def start(
        cls, name: str, command: Sequence[str], folder: Path, *, cores: Iterable[int], environ: Mapping[str, str] = {}
    ) -> Child:
        """Start `command` on `cores` in `folder`, which also gets its output as `NAME.log`."""
        cores = frozenset(cores)
        log = folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        return cls(name, process, log)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def is_running(self) -> bool:
        """Whether the started process itself still lives."""
        return self._process.poll() is None

    def wait_until_answers(self, port: int, seconds: float = 20.0) -> None:
        """Return when a GET through `port` is answered 200, or raise Failed with the end of the log."""
        bound = time.monotonic() + seconds
        while time.monotonic() < bound:
            if not self.is_running():
                raise Failed(f"{self.name} ended while starting: {self.last_words()}")
            if _status(port) == 200:
                return
            time.sleep(0.02)
        raise Failed(f"{self.name} did not answer within {seconds:g} s: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what it wrote, for an error message."""
        return self.log.read_text(errors="replace")[-600:].strip()

    def pids(self) -> list[int]:
        """The process and all its descendants that live now."""
        found = [self.pid]
        for pid in found:
            found += _children(pid)
        return found

    def cpu_seconds(self) -> float:
        """The CPU time that the process and its living descendants have used, to the nanosecond."""
        return sum(cpu_seconds(pid) for pid in self.pids())

    def pss_bytes(self) -> int:
        """Proportional memory of the process and its descendants: shared pages are counted once."""
        return sum(_pss_bytes(pid) for pid in self.pids())

    def end(self) -> None:
        """SIGTERM, then SIGKILL to whatever of it is left."""
        if not self.is_running():
            return
        pids = self.pids()
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_END_SECONDS)


def cpu_seconds(pid: int) -> float:
    """The CPU time of one process: its threads' run time as the scheduler counts it (0 for one that is gone)."""
    run_ns = 0
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            run_ns += int((task / "schedstat").read_text().split()[0])
    return run_ns / 1e9


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            children += [int(child) for child in (task / "children").read_text().split()]
    return children


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


def _status(port: int) -> int:
    """The status of one GET, 0 when there is no answer."""
    answer = ask(port, b"GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def ask(port: int, request: bytes, seconds: float = 5.0) -> bytes:
    """Everything that is answered to `request` on a new connection until it closes; empty when nothing answers."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), seconds) as connection:
        connection.sendall(request)
        while received := connection.recv(65536):
            answer += received
    return answer


@contextlib.contextmanager
def end_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that no child is left behind."""

    def unwind(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
