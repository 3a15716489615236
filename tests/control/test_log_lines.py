"""The log: whoever reads only that still learns what changed, who did it, and what a start did not find again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from control.fake_planes import FakeHealth, FakePlanes, rules
from proxy.control.changes import Surroundings
from proxy.control.door import Control
from proxy.control.state import FileState
from proxy.ledger import By


async def test_every_change_is_one_line_of_the_log(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proxy.control")
    await control.switch("shop", "green", By("ann@desk", "switch shop green", "friday\n\x1b[31mnight"))
    await control.hold("shop", By("ann@desk", "hold shop for 1 s"), max_seconds=1, for_seconds=1, wait=0)
    assert caplog.messages == [
        "revision 2: switch shop green, by ann@desk: friday  [31mnight",
        "hold shop for 1 s, by ann@desk",
    ]


async def test_what_a_damaged_state_file_lost_is_in_the_log(
    tmp_path: Path, health: FakeHealth, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("garbage")
    control = Control(FakePlanes(), Surroundings(probe=health), FileState(tmp_path / "state"))
    await control.start(rules(), "rules.yaml")
    assert "state lost at the start: everything" in caplog.messages
