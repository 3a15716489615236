"""A rehearsal says what would happen, through the machine and the judge that would decide it."""

from __future__ import annotations

from random import Random

from proxy.rollout.programme import Programme
from proxy.rollout.rehearsal import Assumptions, rehearse
from proxy.rollout.state import Phase
from proxy.strategies.progressive import Analysis, Pause, Step

STEPS = (
    Step(setWeight=20.0),
    Step(pause=Pause(duration=120.0)),
    Step(setWeight=50.0),
    Step(pause=Pause(duration=120.0)),
    Step(setWeight=100.0),
)
RULES = Programme(stable="v1", candidate="v2", release="a", steps=STEPS, analysis=Analysis(minimum=100))


def test_a_healthy_candidate_is_promoted_when_its_pauses_are_over() -> None:
    found = rehearse(RULES, Assumptions(requests_per_second=50), Random(1))
    assert (found.phase, found.seconds) == (Phase.DONE, 240.0)
    assert [event.seconds for event in found.events] == [0.0, 0.0, 120.0, 240.0, 240.0]
    assert found.highest_evidence < 100


def test_a_bad_candidate_hurts_few_and_goes_back() -> None:
    found = rehearse(RULES, Assumptions(requests_per_second=50, candidate_error_rate=0.2), Random(1))
    assert found.phase is Phase.ABORTED
    assert 0 < found.candidate_failed < 40
    assert found.seconds < 30


def test_a_slow_candidate_goes_back_after_its_warm_up() -> None:
    found = rehearse(RULES, Assumptions(requests_per_second=50, candidate_seconds=0.1), Random(1))
    assert found.phase is Phase.ABORTED
    assert 30 < found.seconds < 60


def test_a_gate_or_too_little_traffic_ends_the_rehearsal_with_its_reason() -> None:
    gated = Programme(stable="v1", candidate="v2", release="a", steps=(Step(setWeight=5.0), Step(pause=Pause())))
    assert rehearse(gated, Assumptions(), Random(1)).reason == "waits for promote"
    quiet = rehearse(RULES, Assumptions(requests_per_second=0.01), Random(1))
    assert (quiet.phase, quiet.reason) == (Phase.GATED, "inconclusive: too little traffic to tell")
