"""Verbs start fast: each loads only what it needs; `run` only reads its options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import app
from proxy.cli import main
from proxy.cli.trial import settings_of
from proxy.settings import Settings


def loaded(*words: str) -> set[str]:
    """The modules that a verb had loaded when it ended."""
    script = (
        "import sys\nfrom proxy.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    environ = {**os.environ, "SHUNT_ADMIN": "unix:/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, env=environ, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.split("\n")}


@pytest.mark.parametrize("words", [["--help"], ["switch", "shop", "green"], ["run", "--help"], ["undo"]])
def test_a_verb_starts_without_what_it_does_not_need(words: list[str]) -> None:
    assert not loaded(*words) & {"rich", "aiohttp", "pydantic", "yaml", "prometheus_client", "uvloop"}


def test_run_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Settings] = []

    def run(settings: Settings, origin: str) -> int:
        seen.append(settings)
        assert settings_of(origin, settings.name) == settings, "an upgrade finds the same settings again"
        return 0

    monkeypatch.setattr(app, "run", run)
    words = ["run", "--rules", "r.yaml", "--listen", "127.0.0.1:0", "--listen", "unix:/run/x", "--workers", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--state", str(tmp_path / "state"), "--access-log", "json", "--log-level", "debug"])
    assert ended.value.code == 0
    (settings,) = seen
    assert (settings.rules, settings.listen, settings.workers) == ("r.yaml", ("127.0.0.1:0", "unix:/run/x"), 2)
    assert (settings.log.access, settings.log.level, settings.state) == ("json", "debug", str(tmp_path / "state"))


def test_settings_that_are_wrong_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--workers", "many"])
    assert ended.value.code == 2
    assert "workers" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_learn_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", shell])
    assert "_SHUNT_COMPLETE" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m proxy.cli schema rules | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("{\n", "")
