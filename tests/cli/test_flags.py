"""Feature flags on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli.conftest import Running
from proxy.flags.flagset import Document, Plain, Sources

Call = Callable[..., Result]

SOURCES = Sources(
    plain=(Plain("new", "10%", "flags/new"), Plain("theme", "dark", "flags/theme")),
    documents=(Document("d", {"flags": {"old": {"state": "DISABLED", "variants": {"a": 1}, "defaultVariant": "a"}}}),),
)


@pytest.fixture(autouse=True)
def _flags(running: Running) -> None:
    running.do(running.control.reload_flags(SOURCES, "flags"))


def test_flags_shows_what_is_written_and_what_was_set(call: Call) -> None:
    answer = call("flag", "set", "new", "25%", "--why", "a quarter")
    assert answer.exit_code == 0
    assert "flag set new 25% (revision 3)" in answer.output
    shown = call("flags").output
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == ["new"]]
    assert line.split() == ["new", "plain", "10%", "25%", "on,", "off", "flags/new"]
    assert "disabled" in shown
    found = json.loads(call("flags", "-o", "json").stdout)
    assert found["valid"]
    assert [flag["key"] for flag in found["flags"]] == ["new", "old", "theme"]
    assert found["flags"][0]["override"]["value"] == "25%"
    assert "a quarter" in call("log").output
    assert "3 flags, set: new 25%" in call("status").output


def test_clear_and_undo_take_it_back(call: Call, running: Running) -> None:
    call("flag", "set", "theme", "light")
    assert call("flag", "clear", "theme").exit_code == 0
    assert running.planes.flags == SOURCES
    assert call("undo").exit_code == 0
    assert running.planes.flags.overrides == (("theme", "light"),)
    assert call("undo").exit_code == 0
    assert running.planes.flags == SOURCES


def test_a_flag_that_is_not_there_exits_with_1_and_a_value_that_cannot_be_with_2(call: Call) -> None:
    missing = call("flag", "set", "nwe", "true")
    assert (missing.exit_code, "there is no flag nwe" in missing.stderr) == (1, True)
    wrong = call("flag", "set", "new", "140%")
    assert (wrong.exit_code, "140" in wrong.stderr) == (2, True)


def test_broken_flag_files_show(call: Call, running: Running) -> None:
    running.control.refuse_flags(["flags/new:1: broken"])
    for verb in ("status", "flags"):
        assert "flags: flags/new:1: broken (the last good flags are in force)" in call(verb).output


def test_explain_says_what_flags_were_also_without_a_running_proxy(call: Call, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        'services: {shop: {hosts: "*", versions: {v1: "http://a:1", v2: "http://b:1"}, identity: client, '
        "canary: {stable: v1, candidate: v2, flag: new}, flag_headers: [new]}}"
    )
    flags = tmp_path / "flags"
    flags.mkdir()
    (flags / "new").write_text("true")
    said = call("explain", "--rules", str(rules), "--flags", str(flags), "--identity", "ann").output
    assert "version v2 (canary" in said
    assert "flag new is on (STATIC), told to the application" in said
