"""How many workers `auto` means: the least of the control group's CPU quota, the affinity and four."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

MOST_WORKERS = 4

_Reader = Callable[[Path], float | None]


def worker_count(root: Path = Path("/")) -> int:
    """The workers that this machine, container or CPU set has room for; at least one."""
    room = [len(os.sched_getaffinity(0)), MOST_WORKERS]
    quota = cgroup_quota(root)
    if quota is not None:
        room.append(math.ceil(quota))
    return max(1, min(room))


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """CPUs that the own control group may use, the least along its path; None without a limit."""
    quotas = [quota for folder, read in _folders(root) if (quota := read(folder)) is not None]
    return min(quotas, default=None)


def _folders(root: Path) -> list[tuple[Path, _Reader]]:
    """Every folder from the own group up to the mount, version 2 and version 1, see cgroups(7)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    mount = root / "sys/fs/cgroup"
    found: list[tuple[Path, _Reader]] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += [(folder, _read_v2) for folder in _upwards(mount, path)]
        elif "cpu" in controllers.split(","):
            for name in {"cpu", controllers}:
                found += [(folder, _read_v1) for folder in _upwards(mount / name, path)]
    return found


def _upwards(mount: Path, path: str) -> list[Path]:
    # In a container the path may name a place outside the mount: only what exists below it is read.
    own = mount / path.lstrip("/")
    return [mount, *(folder for folder in [own, *own.parents] if mount in folder.parents and ".." not in path)]


def _read_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _read_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
