"""The demo as people start it: it serves, it moves, and it leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

BOUND = 60.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"TMPDIR": str(tmp_path), "PATH": ""},
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=BOUND)


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(pattern, line)
        if found:
            return found
    raise AssertionError(f"{pattern} never came")


def ask(proxy: str, service: str) -> str:
    request = urllib.request.Request(proxy, headers={"Host": f"{service}.localhost"})
    with urllib.request.urlopen(request, timeout=BOUND) as response:
        text = response.read()
    assert isinstance(text, bytes)
    return text.decode()


def test_it_serves_shows_what_its_clients_get_and_ends_clean(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    proxy = read_until(demo, r"proxy +(http://\S+)")[1]
    assert ask(proxy, "account") == "account blue\n"
    assert ask(proxy, "shop") in ("shop v1\n", "shop v2\n")
    shown = read_until(demo, r"account: blue 100%.* clients: .* (\d+) failed")
    assert shown[1] == "0"
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(BOUND) == 0
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(OSError, match="refused"):
        ask(proxy, "account")


def test_ctrl_c_ends_it_with_success(demo: subprocess.Popen[str]) -> None:
    read_until(demo, "Ctrl-C ends the demo")
    demo.send_signal(signal.SIGINT)
    assert demo.wait(BOUND) == 0


def test_it_ends_by_itself_after_so_many_seconds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "demo", "--port", "0", "--seconds", "0.2", "--no-load"],
        capture_output=True,
        timeout=BOUND,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
