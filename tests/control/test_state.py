"""State outlives crashes: cut it, corrupt it, kill its writer; the start succeeds and says what is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.control import memory, state
from proxy.control.state import FileState, Json, MemoryState, StateStore
from proxy.errors import Conflict
from proxy.ledger import By
from proxy.overrides import ACTIVE, WEIGHT, WEIGHTS, Override
from proxy.rules import Rules, Service, Version
from proxy.store import Kept, Load, Set, Store
from proxy.strategies.blue_green import BlueGreen

DOCUMENT: Mapping[str, Json] = {"kept": {"revision": 7}, "rollouts": None, "ledger": {"entries": [1, "zwölf", 2.5]}}


@pytest.fixture(params=["file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return FileState(tmp_path / "state", watch_seconds=0.01) if request.param == "file" else MemoryState()


async def test_what_was_saved_is_found_again(place: StateStore) -> None:
    assert await place.load() == state.Loaded({}, "")
    token = await place.save(DOCUMENT, "")
    assert await place.load() == state.Loaded(DOCUMENT, token)


async def test_two_writers_cannot_overwrite_each_other_unseen(place: StateStore) -> None:
    token = await place.save(DOCUMENT, "")
    with pytest.raises(Conflict):
        await place.save({"kept": 1}, "")
    newer = await place.save({"kept": 2}, token)
    with pytest.raises(Conflict):
        await place.save({"kept": 3}, token)
    assert (await place.load()).token == newer


async def test_who_watches_sees_what_others_write(place: StateStore) -> None:
    token = await place.save(DOCUMENT, "")
    watch = place.watch(token)
    seen = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await place.save({"kept": 2}, token)
    assert (await asyncio.wait_for(seen, 5)).sections == {"kept": 2}


async def test_a_file_cut_at_any_byte_is_set_aside_and_says_what_is_lost(tmp_path: Path) -> None:
    whole = state.encode(DOCUMENT)
    for length in range(len(whole)):
        folder = tmp_path / str(length)
        folder.mkdir()
        path = folder / "state"
        path.write_bytes(whole[:length])
        found = await FileState(path).load()
        assert found.lost, length
        assert found.lost[0] == "everything" or set(found.sections) | set(found.lost[:-1]) >= set(DOCUMENT)
        assert all(DOCUMENT[name] == value for name, value in found.sections.items())
        (aside,) = folder.glob("state.corrupt-*")
        assert aside.read_bytes() == whole[:length]
        assert str(aside) in found.lost[-1]
        await FileState(path).save(DOCUMENT, found.token)
        assert (await FileState(path).load()).lost == ()


async def test_a_flipped_byte_costs_only_its_own_section(tmp_path: Path) -> None:
    whole = bytearray(state.encode(DOCUMENT))
    whole[whole.index(b"revision")] ^= 1
    (tmp_path / "state").write_bytes(whole)
    found = await FileState(tmp_path / "state").load()
    assert set(found.sections) == {"rollouts", "ledger"}
    assert found.lost[0] == "kept"
    again = await FileState(tmp_path / "state").load()
    assert again == state.Loaded(found.sections, found.token)


@pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 4096, b'{"revision": 7}', b"x" * 64 + b"\nend\n"])
async def test_garbage_is_never_fatal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    found = await FileState(tmp_path / "state").load()
    assert (dict(found.sections), found.lost[0]) == ({}, "everything")


async def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    found = await FileState(tmp_path / "state").load()
    assert found.lost[0].startswith("everything: ")


def test_the_number_of_files_set_aside_is_bounded(tmp_path: Path) -> None:
    for _ in range(state.SET_ASIDE + 3):
        (tmp_path / "state").write_bytes(b"broken")
        asyncio.run(FileState(tmp_path / "state").load())
    assert len(list(tmp_path.glob("state.corrupt-*"))) == state.SET_ASIDE


async def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    await FileState(tmp_path / "state").save(DOCUMENT, "")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


WRITER = """
import asyncio, itertools, sys
from proxy.control.state import FileState
async def write():
    place = FileState(sys.argv[1])
    token = (await place.load()).token
    for number in itertools.count():
        token = await place.save({"kept": number, "ledger": "x" * (number % 50_000)}, token)
        print(number, flush=True)
asyncio.run(write())
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for rounds in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(10 + 7 * rounds):
                confirmed = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
        found = asyncio.run(FileState(path).load())
        assert found.lost == ()
        kept = found.sections["kept"]
        assert isinstance(kept, int)
        assert kept >= confirmed


def test_everything_the_store_must_remember_comes_back() -> None:
    versions = {name: Version(targets=("http://a:1",)) for name in ("blue", "green")}
    shop = Service(name="shop", hosts=("*",), versions=versions, blue_green=BlueGreen(active="blue"))
    store = Store(lambda: 12.5)
    store.apply(Load(Rules(services={"shop": shop})), By("file", "load"))
    store.apply(Set("shop", ACTIVE, "green"), By("ann", "switch", "why"))
    kept = Kept(
        revision=9,
        overrides=(
            *store.state.overrides,
            Override("shop/a", WEIGHT, 25.0, ("blue", "green", 10.0), "rollout"),
            Override("shop/b", WEIGHTS, (("a", 1.0),), (("a", 2.0),)),
            Override("shop", "drained:blue", value=True, was=False),
        ),
        colours={"shop": "green"},
    )
    remembered = memory.remember(state.decode(state.encode(memory.sections(kept, store.ledger, {"x": 1})))[0])
    assert remembered.kept == kept
    assert remembered.ledger.entries == store.ledger.entries
    assert remembered.rollouts == {"x": 1}
    assert remembered.lost == ()


def test_sections_of_another_release_are_named_as_lost() -> None:
    remembered = memory.remember({"kept": {"revision": "many"}, "ledger": {"entries": [{"odd": 1}]}})
    assert remembered.kept == Kept()
    assert [text.partition(":")[0] for text in remembered.lost] == ["kept", "ledger"]
