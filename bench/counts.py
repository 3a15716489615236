"""Counts repeat where times do not: user-mode instructions and system calls per request.

Both are counted in the process that carries the traffic, in two runs of different length; what the runs share
(connections, timers, attaching) falls away in the difference.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench import load
from bench.figures import per_request
from bench.peers import Peer
from bench.processes import Child, Failed, cpu_seconds
from bench.stage import Running, Stage

GET_CALLGRIND = "the Debian package valgrind"
GET_STRACE = "the Debian package strace"
_TOTALS = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
_CALL = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$", re.MULTILINE)
_ATTACH_SECONDS = 10.0
_UNDER_CALLGRIND_SECONDS = 180.0
_SETTLE_SECONDS = 1.0
"""For what is put off and done in batches, such as lines of a log: the requests of a run must pay for it."""
_CALLGRIND = [
    *("valgrind", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no"),
    *("--callgrind-out-file=@FOLDER@/callgrind.%p", "--vgdb-prefix=@FOLDER@/vgdb"),
]


def has_callgrind() -> bool:
    """Whether instructions can be counted here."""
    return shutil.which("valgrind") is not None and shutil.which("vgdb") is not None


def has_strace() -> bool:
    """Whether system calls can be counted here."""
    return shutil.which("strace") is not None


def carrier(child: Child, port: int, requests: Sequence[bytes], connections: int) -> int:
    """The process of `child` that carries the traffic: the one that works most while some is sent."""
    before = {pid: cpu_seconds(pid) for pid in child.pids()}
    load.exactly(port, requests, 4 * connections, connections)
    return max(before, key=lambda pid: cpu_seconds(pid) - before[pid])


# --- instructions -------------------------------------------------------------------------


def instructions(
    stage: Stage, peer: Peer, requests: Sequence[bytes], counts: tuple[int, int], connections: int
) -> float:
    """User-mode instructions per request, under callgrind; raises Failed."""
    running = stage.start(peer, wrapper=_CALLGRIND, seconds=_UNDER_CALLGRIND_SECONDS)
    try:
        pid = carrier(running.child, running.port, requests, connections)
        load.exactly(running.port, requests, len(requests), connections)
        _tell_callgrind(running, pid, "instrumentation", "on")
        load.exactly(running.port, requests, 4 * connections, connections)
        time.sleep(_SETTLE_SECONDS)
        _dump(running, pid)
        runs = []
        for count in counts:
            load.exactly(running.port, requests, count, connections)
            time.sleep(_SETTLE_SECONDS)
            runs.append((count, float(_dump(running, pid))))
        return per_request(*runs)
    finally:
        running.child.end()


def _dump(running: Running, pid: int) -> int:
    """Make callgrind write what it counted since the last dump; how many instructions that was."""
    folder = running.place.folder
    seen = set(folder.glob(f"callgrind.{pid}.*"))
    _tell_callgrind(running, pid, "dump")
    (dump,) = set(folder.glob(f"callgrind.{pid}.*")) - seen
    return counted_instructions(dump.read_text(errors="replace"))


def _tell_callgrind(running: Running, pid: int, *words: str) -> None:
    command = ["vgdb", f"--vgdb-prefix={running.place.folder}/vgdb", f"--pid={pid}", *words]
    try:
        subprocess.run(command, capture_output=True, timeout=60, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise Failed(f"callgrind of {running.name} does not answer: {error}") from error


def counted_instructions(dump: str) -> int:
    """The total of one callgrind dump."""
    found = _TOTALS.search(dump)
    if found is None:
        raise Failed("a callgrind dump without a total")
    return int(found[1])


# --- system calls -------------------------------------------------------------------------


def system_calls(
    running: Running, requests: Sequence[bytes], counts: tuple[int, int], connections: int
) -> dict[str, float]:
    """System calls per request by name, counted by strace; raises Failed."""
    pid = carrier(running.child, running.port, requests, connections)
    shorter, longer = (_traced(running, pid, requests, count, connections) for count in counts)
    every = {
        name: per_request((counts[0], shorter.get(name, 0)), (counts[1], longer.get(name, 0)))
        for name in shorter.keys() | longer.keys()
    }
    return dict(sorted(((name, calls) for name, calls in every.items() if calls > 0.001), key=lambda item: -item[1]))


def _traced(running: Running, pid: int, requests: Sequence[bytes], count: int, connections: int) -> dict[str, int]:
    counted = running.place.folder / "strace"
    strace = subprocess.Popen(
        ["strace", "-f", "-c", "-qq", "-o", str(counted), "-p", str(pid)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_until_traced(pid, strace)
        load.exactly(running.port, requests, count, connections)
        time.sleep(_SETTLE_SECONDS)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=_ATTACH_SECONDS)
    return counted_calls(counted.read_text())


def _wait_until_traced(pid: int, strace: subprocess.Popen[bytes]) -> None:
    bound = time.monotonic() + _ATTACH_SECONDS
    tasks = Path(f"/proc/{pid}/task")
    while time.monotonic() < bound and strace.poll() is None:
        if all("\nTracerPid:\t0\n" not in (task / "status").read_text() for task in tasks.iterdir()):
            return
        time.sleep(0.02)
    raise Failed("strace could not attach (is ptrace allowed here?)")


def counted_calls(summary: str) -> dict[str, int]:
    """Calls by name from the table of `strace -c`."""
    return {name: int(calls) for calls, name in _CALL.findall(summary) if name != "total"}
