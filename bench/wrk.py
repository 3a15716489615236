"""wrk loads a peer for a while, with as many requests as it can take."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.processes import LOOPBACK, Failed

GET = "the Debian package wrk"
_SCRIPT = Path(__file__).with_name("replay.lua")
_LINE = re.compile(
    r"^measured requests=(\d+) seconds=([\d.]+) bytes=(\d+) "
    r"p50_ms=([\d.]+) p99_ms=([\d.]+) max_ms=([\d.]+) errors=(\d+)$",
    re.MULTILINE,
)


class Load(NamedTuple):
    """What wrk saw in one run."""

    requests: int
    seconds: float
    received_bytes: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int

    @property
    def per_second(self) -> float:
        """Answered requests per second."""
        return self.requests / self.seconds


def is_installed() -> bool:
    """Whether there is a wrk to run."""
    return shutil.which("wrk") is not None


def parse(output: str) -> Load:
    """Read the line that `replay.lua` ends with, or raise Failed with what wrk wrote instead."""
    found = _LINE.search(output)
    if found is None:
        raise Failed(f"wrk measured nothing: {output[-400:].strip()}")
    requests, seconds, received, p50, p99, longest, errors = found.groups()
    return Load(int(requests), float(seconds), int(received), float(p50), float(p99), float(longest), int(errors))


def run(port: int, entries: Path, *, seconds: float, connections: int, cores: Iterable[int]) -> Load:
    """Load `port` with the requests of `entries` from one thread; raises Failed when wrk does not end."""
    cores = frozenset(cores)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout=10s", f"-s{_SCRIPT}"]
    try:
        ended = subprocess.run(
            [*command, f"http://{LOOPBACK}:{port}/", "--", str(entries)],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    except subprocess.TimeoutExpired as expired:
        raise Failed("wrk did not end") from expired
    return parse(ended.stdout + ended.stderr)
