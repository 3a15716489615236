"""A watch shows each new state once, and ends when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from cli.conftest import Running
from proxy.ledger import By


def read_document(watch: subprocess.Popen[str]) -> dict[str, object]:
    """The next JSON document of an endless stream of them."""
    assert watch.stdout is not None
    text = ""
    for line in watch.stdout:
        text += line
        if line == "}\n":
            break
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_watch_shows_each_new_state_and_ends_by_interrupt(running: Running) -> None:
    words = ["status", "--watch", "--interval", "10ms", "-o", "json", "--admin", running.address]
    with subprocess.Popen([sys.executable, "-m", "proxy.cli", *words], stdout=subprocess.PIPE, text=True) as watch:
        assert read_document(watch)["revision"] == 1
        running.do(running.control.switch("shop", "green", By("ann@desk", "switch shop green")))
        assert read_document(watch)["revision"] == 2
        os.kill(watch.pid, signal.SIGINT)
        assert watch.wait(10) == 0
