"""New rules are told soon after they are written, whole, once, and however they are written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.control import watcher
from proxy.control.watcher import Watcher, mount_points, mounted_alone, watch_rules
from proxy.errors import Invalid
from proxy.rules import Rules

PATIENCE_SECONDS = 10.0
Running = list[asyncio.Task[None]]


def text(service: str) -> str:
    return f"services:\n  {service}:\n    hosts: a.example\n    versions: {{v1: http://127.0.0.1:1}}\n"


class Ear:
    """What a watcher has told, in order."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def take(self, found: Rules | Invalid) -> None:
        self.told.put_nowait(" ".join(found.services) if isinstance(found, Rules) else f"fault: {found}")

    async def next(self) -> str:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.told.get()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """The watchers of a test, ended with it."""
    tasks: Running = []
    yield tasks
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def started(path: Path, ear: Ear, running: Running) -> Watcher[Rules]:
    """A watcher that runs and knows what the path says already."""
    watching = watch_rules(path, ear.take)
    await watching.first()
    running.append(asyncio.create_task(watching.run()))
    return watching


def write_by_rename(path: Path, content: str) -> None:
    new = path.with_name(".new")
    new.write_text(content)
    new.rename(path)


def mount(directory: Path, revision: str, content: str) -> None:
    """Do to the directory what the kubelet does when a ConfigMap changes."""
    (directory / revision).mkdir()
    (directory / revision / "rules.yaml").write_text(content)
    former = (directory / "..data").readlink() if (directory / "..data").is_symlink() else None
    (directory / "..data_tmp").symlink_to(revision)
    (directory / "..data_tmp").rename(directory / "..data")
    if former is None:
        (directory / "rules.yaml").symlink_to("..data/rules.yaml")
    else:
        (directory / former / "rules.yaml").unlink()
        (directory / former).rmdir()


# --- ways of writing ----------------------------------------------------------------------


@pytest.mark.parametrize("write", [Path.write_text, write_by_rename], ids=["in place", "renamed over"])
@pytest.mark.parametrize("is_directory", [True, False])
async def test_a_file_that_is_written_is_told(
    write: Callable[[Path, str], None], is_directory: bool, tmp_path: Path, ear: Ear, running: Running
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    await started(tmp_path if is_directory else path, ear, running)
    write(path, text("two"))
    assert await ear.next() == "two"
    write(path, text("six"))
    assert await ear.next() == "six"


@pytest.mark.parametrize("name", ["", "rules.yaml"])
async def test_a_config_map_that_is_swapped_is_told(name: str, tmp_path: Path, ear: Ear, running: Running) -> None:
    mount(tmp_path, "..1", text("one"))
    await started(tmp_path / name, ear, running)
    for revision in ("2", "3", "4"):
        mount(tmp_path, f"..{revision}", text(f"s{revision}"))
        assert await ear.next() == f"s{revision}"


async def test_a_file_that_comes_or_goes_is_told(tmp_path: Path, ear: Ear, running: Running) -> None:
    (tmp_path / "a.yaml").write_text(text("one"))
    await started(tmp_path, ear, running)
    (tmp_path / "b.yaml").write_text(text("two").replace("a.example", "b.example"))
    assert await ear.next() == "one two"
    (tmp_path / "a.yaml").unlink()
    assert await ear.next() == "two"


async def test_a_change_that_keeps_size_and_times_is_told(tmp_path: Path, ear: Ear, running: Running) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    times = path.stat()
    await started(path, ear, running)
    path.write_text(text("two"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert await ear.next() == "two"


# --- what is not told ---------------------------------------------------------------------


async def test_what_says_the_same_is_not_told(tmp_path: Path, ear: Ear, running: Running) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    await started(path, ear, running)
    write_by_rename(path, text("one"))
    path.touch()
    write_by_rename(path, text("two"))
    assert await ear.next() == "two"
    assert ear.told.empty()


async def test_a_half_written_file_is_not_taken(tmp_path: Path, ear: Ear) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    watching = watch_rules(path, ear.take)
    await watching.first()
    whole = text("two")
    for end in range(0, len(whole), 7):
        path.write_text(whole[:end])
        assert watching._look() is None
    path.write_text(whole)
    assert watching._look() is None
    found = watching._look()
    assert found is not None
    assert [source.content.decode() for source in found] == [whole]
    assert watching._look() is None


async def test_a_file_that_changes_while_it_is_read_is_not_taken(
    tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    watching = watch_rules(path, ear.take)
    await watching.first()
    path.write_text(text("two"))
    assert watching._look() is None
    read = watcher.read

    def read_slowly(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type]
        write_by_rename(path, text("three"))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(watcher, "read", read_slowly)
        assert watching._look() is None
    found = watching._look() or watching._look()
    assert found is not None
    assert "three" in str(found)


# --- faults, and the first time -----------------------------------------------------------


async def test_faults_are_told_and_so_is_their_cure(tmp_path: Path, ear: Ear, running: Running) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    await started(path, ear, running)
    path.write_text(text("two") + "    bogus: 1\n")
    assert (await ear.next()).startswith(f"fault: {path}:5: services.two.bogus: unknown key; ")
    path.write_text(text("one"))
    assert await ear.next() == "one"


async def test_a_file_that_vanishes_is_told_and_its_return_too(tmp_path: Path, ear: Ear, running: Running) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    await started(path, ear, running)
    path.unlink()
    assert await ear.next() == f"fault: {path}: is not there"
    path.write_text(text("one"))
    assert await ear.next() == "one"


async def test_at_the_start_a_fault_is_raised(tmp_path: Path, ear: Ear) -> None:
    with pytest.raises(Invalid, match="is not there"):
        await watch_rules(tmp_path / "rules.yaml", ear.take).first()


async def test_a_reload_tells_even_what_is_known(tmp_path: Path, ear: Ear, running: Running) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    watching = await started(path, ear, running)
    watching.reload()
    assert await ear.next() == "one"


# --- mounts -------------------------------------------------------------------------------


def test_a_file_that_is_a_mount_of_its_own_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text("one"))
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 98:0 /x {tmp_path} rw - ext4 /dev/sda rw\n")
    assert mounted_alone(path, mounts=mounts) == []
    mounts.write_text(f"36 35 98:0 /x {path} rw - ext4 /dev/sda rw\n")
    for watched in (path, tmp_path):
        (warning,) = mounted_alone(watched, mounts=mounts)
        assert "subPath" in warning
        assert "mount its directory" in warning


async def test_an_ordinary_file_has_no_warnings(tmp_path: Path, ear: Ear) -> None:
    (tmp_path / "rules.yaml").write_text(text("one"))
    assert await watch_rules(tmp_path, ear.take).warnings() == []


def test_mount_points_with_odd_names_are_read() -> None:
    assert mount_points("36 35 98:0 / /a\\040b\\134c rw - ext4 x rw\n\nbroken\n") == {"/a b\\c"}
