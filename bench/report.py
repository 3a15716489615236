"""What a command of the bench leaves behind: a table for people, JSON for everything else."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.figures import table

OUT = Path(__file__).parent / "out"


def machine() -> dict[str, object]:
    """Where and when this was measured."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }


def say(line: str) -> None:
    """One line for whoever runs the command."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def progress(line: str) -> None:
    """What is going on, for those who wait."""
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *notes: str) -> None:
    """A titled table with notes under it."""
    say(f"\n{title}\n")
    say(table(head, rows))
    for note in notes:
        say(f"  {note}")


def write(name: str, measured: Mapping[str, object]) -> Path:
    """The figures with the machine they come from, as `bench/out/NAME.json`; its path."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **measured}, indent=1) + "\n")
    return path
