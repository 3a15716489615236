"""`auto` workers: a container's quota counts, whichever control groups it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.processes.cpus import MOST_WORKERS, cgroup_quota, worker_count


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_quota_of_version_2_counts(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    assert cgroup_quota(write(tmp_path, files)) == 1.5


def test_the_least_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/box\n",
        "sys/fs/cgroup/pod/cpu.max": "100000 100000\n",
        "sys/fs/cgroup/pod/box/cpu.max": "max 100000\n",
    }
    assert cgroup_quota(write(tmp_path, files)) == 1.0


def test_a_quota_of_version_1_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n",
        "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
    }
    assert cgroup_quota(write(tmp_path, files)) == 0.5
    assert worker_count(tmp_path) == 1


@pytest.mark.parametrize("limits", ["max 100000\n", "", "nonsense"])
def test_no_quota_is_no_limit(tmp_path: Path, limits: str) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": limits}
    assert cgroup_quota(write(tmp_path, files)) is None


def test_a_machine_without_control_groups_has_room(tmp_path: Path) -> None:
    assert 1 <= worker_count(tmp_path) <= MOST_WORKERS
