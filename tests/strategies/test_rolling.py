"""Rolling: one version answers everything."""

from __future__ import annotations

from random import Random

from proxy.model import Choice, Request
from proxy.strategies.rolling import Rolling, chooser


def test_every_request_goes_to_that_version() -> None:
    choose = chooser(Rolling(version="v1"))
    assert choose is not None
    assert choose(Request.of("DELETE", "/x"), b"alice", Random(1)) == Choice("v1", "rolling")


def test_no_settings_make_no_chooser() -> None:
    assert chooser(None) is None
