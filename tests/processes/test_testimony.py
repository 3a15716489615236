"""Testimony: each report reaches a brain's disk exactly once, whichever end dies."""

from __future__ import annotations

import pytest

from proxy.analysis.witness import Watch, Witness
from proxy.model import Choice
from proxy.plan import Lane, Outcome, Plan
from proxy.processes import testimony as reports
from proxy.processes.channel import Seen
from proxy.processes.testimony import MOST_UNKEPT
from proxy.targets import Fleet

WATCH = Watch(service="shop", release="r1", stable="v1", candidate="v2")
LANE = Lane("shop", "")
FLEET = Fleet("shop", "v2", ())


class Line:
    """One channel to a brain, which may be full."""

    def __init__(self) -> None:
        self.heard: list[Seen] = []
        self.is_full = False

    def send(self, message: object) -> bool:
        assert isinstance(message, Seen)
        if self.is_full:
            return False
        self.heard.append(message)
        return True

    @property
    def requests(self) -> int:
        """All that was told of the candidate."""
        return sum(sighting.candidate.requests for seen in self.heard for sighting in seen.sightings)


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def testimony(witness: Witness) -> reports.Testimony:
    made = reports.Testimony(witness)
    made.watch([WATCH])
    return made


def one_request(witness: Witness) -> None:
    outcome = Outcome()
    outcome.plan = Plan(LANE, FLEET, Choice("v2", "canary", randomised=True, weight=0.2))
    outcome.first_byte = 0.01
    witness.seen(outcome)


def test_nothing_is_told_before_the_brain_says_from_where_to_go_on(
    witness: Witness, testimony: reports.Testimony
) -> None:
    one_request(witness)
    testimony.tell()
    line = Line()
    testimony.keep(0, line)
    testimony.tell()
    assert (line.requests, [seen.number for seen in line.heard]) == (1, [1])


def test_the_next_brain_hears_what_the_former_one_did_not_keep_and_nothing_else(
    witness: Witness, testimony: reports.Testimony
) -> None:
    former, following = Line(), Line()
    testimony.keep(0, former)
    for _ in range(5):
        one_request(witness)
        testimony.tell()
    testimony.keep(2, former)
    testimony.pause()
    one_request(witness)
    testimony.tell()
    testimony.keep(3, following)
    testimony.tell()
    assert [seen.number for seen in following.heard] == [4, 5, 6]
    assert following.requests == 3


def test_a_full_channel_delays_and_loses_nothing(witness: Witness, testimony: reports.Testimony) -> None:
    line = Line()
    testimony.keep(0, line)
    line.is_full = True
    for _ in range(10):
        one_request(witness)
        testimony.tell()
    assert not line.heard
    line.is_full = False
    testimony.tell()
    testimony.tell()
    assert line.requests == 10
    assert [seen.number for seen in line.heard] == [1, 2]


def test_a_disk_that_keeps_nothing_bounds_the_reports_and_not_the_counts(
    witness: Witness, testimony: reports.Testimony
) -> None:
    line = Line()
    testimony.keep(0, line)
    for _ in range(MOST_UNKEPT + 100):
        one_request(witness)
        testimony.tell()
    assert len(line.heard) == MOST_UNKEPT
    testimony.keep(MOST_UNKEPT, line)
    testimony.tell()
    assert line.requests == MOST_UNKEPT + 100


def test_what_was_seen_of_a_rollout_that_ends_is_still_told(witness: Witness, testimony: reports.Testimony) -> None:
    line = Line()
    testimony.keep(0, line)
    one_request(witness)
    testimony.watch([])
    testimony.tell()
    assert line.requests == 1
