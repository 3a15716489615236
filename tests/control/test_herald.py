"""The herald: what an operator would want to see in `kubectl events`, and nothing else."""

from __future__ import annotations

import pytest

from proxy.control.events import Event
from proxy.control.herald import words


def test_rejected_rules_are_a_warning_with_every_fault() -> None:
    told = words(Event("rules", 7, {"valid": False, "faults": ["a is wrong", "b too"]}))
    assert told is not None
    assert (told.kind, told.reason) == ("Warning", "RulesRejected")
    assert "a is wrong; b too" in told.note


def test_rules_that_are_good_again_are_told_too() -> None:
    told = words(Event("flags", 8, {"valid": True, "faults": []}))
    assert told is not None
    assert (told.kind, told.reason) == ("Normal", "FlagsAccepted")


@pytest.mark.parametrize(
    ("became", "kind", "reason"),
    [
        ("step", "Normal", "RolloutStep"),
        ("promoted", "Normal", "RolloutPromoted"),
        ("rolled back", "Warning", "RolloutRolledBack"),
    ],
)
def test_what_becomes_of_a_rollout_is_told_and_a_bad_end_is_a_warning(became: str, kind: str, reason: str) -> None:
    told = words(Event("rollout", 9, {"name": "shop", "release": "r7", "event": became, "text": "because of this"}))
    assert told is not None
    assert (told.kind, told.reason, told.note) == (kind, reason, "shop r7: because of this")


@pytest.mark.parametrize("event", [Event("hold", 1, {}), Event("change", 1, {"who": "ann", "what": "switch"})])
def test_what_people_do_is_in_the_ledger_and_no_event(event: Event) -> None:
    assert words(event) is None
