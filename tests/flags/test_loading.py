"""Loading: a directory of files, as people write them and as Kubernetes mounts them."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from proxy.config.environment import from_environment
from proxy.config.faults import Fault, Faults
from proxy.config.flags import flags, listed, load_flags
from proxy.control.watcher import Watcher
from proxy.errors import Invalid
from proxy.flags.flag import Context
from proxy.flags.flagset import FlagSet, assign

DOCUMENT = """
flags:
  new-checkout:
    state: ENABLED
    variants: {on: true, off: false}
    defaultVariant: off
    targeting:
      if:
        - {ends_with: [{var: email}, "@example.com"]}
        - on
"""


def write(directory: Path, **files: str) -> str:
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)
    return str(directory)


def value(flags: FlagSet, key: str, **attributes: object) -> object:
    return assign(flags, key, Context("alice", attributes)).value


def faults(where: str) -> list[str]:
    with pytest.raises(Faults) as broken:
        load_flags(where, {})
    return [str(fault).removeprefix(f"{where}/") for fault in broken.value.faults]


def test_a_mounted_configmap_needs_nothing_but_its_directory(tmp_path: Path) -> None:
    mounted = tmp_path / "..2026_11_23"
    mounted.mkdir()
    write(mounted, NEW_FEATURE_ENABLED="true", THEME="dark\n", beta__flagd__yaml=DOCUMENT)
    (tmp_path / "..data").symlink_to(mounted.name)
    for file in mounted.iterdir():
        (tmp_path / file.name).symlink_to(f"..data/{file.name}")
    found = load_flags(str(tmp_path), {})
    assert sorted(found.flags) == ["NEW_FEATURE_ENABLED", "THEME", "new-checkout"]
    assert value(found, "NEW_FEATURE_ENABLED") is True
    assert found.flags["THEME"].source == str(tmp_path / "THEME")
    assert value(found, "new-checkout", email="a@example.com") is True
    assert value(found, "new-checkout", email="a@example.org") is False


def test_what_editors_and_kubernetes_leave_behind_is_no_flag(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    where = write(tmp_path, A="true", **{"A~": "x", "__A__swp": "x", "A__tmp": "x"})
    assert sorted(load_flags(where, {}).flags) == ["A"]


@pytest.mark.parametrize("is_directory", [True, False])
def test_a_configmap_manifest_is_read_like_the_mounted_one(tmp_path: Path, *, is_directory: bool) -> None:
    manifest = 'kind: ConfigMap\ndata:\n  NEW: "true"\n  BARE: true\n  ROLLOUT: 25%\n  beta.flagd.yaml: |\n'
    indented = "".join(f"    {line}\n" for line in DOCUMENT.splitlines())
    where = write(tmp_path, flags__yaml=manifest + indented)
    found = load_flags(where if is_directory else f"{where}/flags.yaml", {})
    assert sorted(found.flags) == ["BARE", "NEW", "ROLLOUT", "new-checkout"]
    assert value(found, "NEW") is True
    assert value(found, "BARE") is True


def test_a_json_file_that_is_no_document_is_a_flag_as_every_file_is(tmp_path: Path) -> None:
    found = load_flags(write(tmp_path, limits__json='{"max": 3}'), {})
    assert value(found, "limits.json") == {"max": 3}


def test_the_environment_gives_flags_that_files_do_not(tmp_path: Path) -> None:
    environ = {
        "SHUNT_FLAG_FROM_ENV": "25%",
        "SHUNT_FLAG_A": "from the environment",
        "SHUNT_FLAG_new-checkout": "true",
        "SHUNT_FLAGS": "/flags",
        "HOME": "/root",
    }
    found = load_flags(write(tmp_path, A="from the file", b__flagd__yaml=DOCUMENT), environ)
    assert sorted(found.flags) == ["A", "FROM_ENV", "new-checkout"]
    assert value(found, "A") == "from the file"
    assert found.flags["new-checkout"].kind == "flagd"
    assert sorted(load_flags("", environ).flags) == ["A", "FROM_ENV", "new-checkout"]


def test_overrides_are_part_of_the_set(tmp_path: Path) -> None:
    found = load_flags(write(tmp_path, A="false"), {}, overrides={"A": "true"})
    assert value(found, "A") is True
    assert found.flags["A"].override == "true"


def test_every_fault_of_every_file_is_named_with_its_line(tmp_path: Path) -> None:
    where = write(
        tmp_path,
        A="140%",
        B__flagd__json='{\n  "flags": {\n    "x": {"state": "ENABLED",\n          "variants": {"on": true},\n'
        '          "targeting": {"iff": [true, "on"]}}\n  }\n}',
        C__flagd__yaml="flags: {\n",
        D__flagd__yaml="flags: {}\nflags: {}\n",
        E__yaml="some: thing\n",
        F__yaml="flags: {f: {}}\n",
        G__flagd__json="",
    )
    (tmp_path / "H").write_bytes(b"\xff")
    (tmp_path / "I").write_bytes(b"x" * (1 << 20 | 1))
    found = faults(where)
    assert found[0].startswith("C.flagd.yaml:2: is not YAML: ")
    assert found[1:] == [
        "D.flagd.yaml:2: the key 'flags' is there twice",
        "E.yaml: is neither a ConfigMap manifest nor a flagd document (*.flagd.yaml)",
        "F.yaml: looks like a flagd document; name it F.flagd.yaml",
        "G.flagd.json: is not JSON: line 1, column 1: Expecting value",
        "H: is not UTF-8",
        "I: is longer than 1 MiB",
        "A: A: 140.0 is not between 0 and 100",
        "B.flagd.json:5: flags.x.targeting.iff: 'iff' is no operator; did you mean 'if'?",
    ]


def test_a_directory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert "is not there" in faults(str(tmp_path / "nowhere"))[0]


def test_aliases_cannot_grow_without_bound(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    assert "without bound" in faults(write(tmp_path, bomb__flagd__yaml=bomb))[0]
    loop = "flags: &loop {again: *loop}\n"
    (tmp_path / "bomb.flagd.yaml").write_text(loop)
    assert "without bound" in faults(str(tmp_path))[0]


def test_a_flag_in_the_environment_is_no_misspelt_setting() -> None:
    faults: list[Fault] = []
    assert not from_environment({"SHUNT_FLAG_A": "true", "SHUNT_FLAG_S": "25%"}, faults)
    assert not faults


async def test_a_swapped_configmap_is_noticed_by_the_watcher(tmp_path: Path) -> None:
    for name, text in (("..1", "false"), ("..2", "true")):
        (tmp_path / name).mkdir()
        write(tmp_path / name, NEW=text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "NEW").symlink_to("..data/NEW")
    told: asyncio.Queue[FlagSet | Invalid] = asyncio.Queue()
    watcher = Watcher(tmp_path, partial(flags, environ={}), told.put, listing=listed)
    assert value(await watcher.first(), "NEW") is False
    watching = asyncio.create_task(watcher.run())
    try:
        (tmp_path / "..tmp").symlink_to("..2")
        (tmp_path / "..tmp").rename(tmp_path / "..data")
        found = await asyncio.wait_for(told.get(), 10)
        assert isinstance(found, FlagSet)
        assert value(found, "NEW") is True
    finally:
        watching.cancel()
