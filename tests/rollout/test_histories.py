"""No sequence of verbs, ticks, reloads and crashes breaks a promise."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.errors import Conflict
from proxy.rollout.machine import advance, follow
from proxy.rollout.measurement import Status
from proxy.rollout.programme import Programme
from proxy.rollout.state import Action, Move, Phase, Readings, Rollout
from proxy.rollout.verbs import Verb, command
from proxy.strategies.progressive import Analysis, HoldStep, Pause, Step, Webhook

_HOOK = Webhook(name="gate", type="confirm-traffic-increase", url="http://127.0.0.1")
STEPS = st.sampled_from(
    [
        Step(setWeight=0.0),
        Step(setWeight=5.0),
        Step(setWeight=50.0),
        Step(setWeight=100.0),
        Step(pause=Pause()),
        Step(pause=Pause(duration=60.0)),
        Step(analysis=Analysis(minimum=10)),
        Step(hold=HoldStep()),
    ]
)
PROGRAMMES = st.builds(
    Programme,
    stable=st.just("v1"),
    candidate=st.sampled_from(["v1", "v2", "v3"]),
    release=st.sampled_from(["", "a", "b"]),
    steps=st.lists(STEPS, max_size=6).map(tuple),
    freezes=st.booleans(),
    bake_seconds=st.sampled_from([0.0, 60.0]),
    webhooks=st.sampled_from([(), (_HOOK,)]),
)
READINGS = st.builds(
    Readings,
    evidence=st.sampled_from([0.1, 1.0, 99.0, 100.0]),
    units=st.sampled_from([0, 500]),
    cap=st.sampled_from(["", "", "", "too many"]),
    metrics=st.sampled_from([Status.SUCCESSFUL, Status.RUNNING, Status.INCONCLUSIVE, Status.FAILED]),
    step_metrics=st.sampled_from(list(Status)),
    gates=st.sampled_from([{}, {"confirm-traffic-increase": True}, {"confirm-traffic-increase": False}]),
    hold=st.sampled_from(["", "done", "failed", "lost"]),
)


class Histories(RuleBasedStateMachine):
    """The brain's part, played by chance: what is on disk, and what the workers were told."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.programme: Programme | None = None
        self.rollout: Rollout | None = None
        self.told = 0.0
        self.has_failed = False

    def take(self, rollout: Rollout | None, actions: tuple[Action, ...]) -> None:
        self.rollout = rollout
        for action in actions:
            if isinstance(action, Move):
                self.told = action.weight

    @rule(programme=PROGRAMMES)
    def reload(self, programme: Programme) -> None:
        before = self.rollout
        self.programme = programme
        self.take(*follow(self.rollout, programme, self.now))
        if before is not None and before.key == programme.key:
            assert self.rollout == before

    @rule(readings=READINGS, seconds=st.sampled_from([0.0, 1.0, 61.0, 4000.0]))
    def tick(self, readings: Readings, seconds: float) -> None:
        self.now += seconds
        if self.rollout is None or self.programme is None:
            return
        before = self.rollout
        told = replace(readings, units_since=before.weight_since)
        self.take(*advance(before, self.now, told, self.programme))
        if readings.evidence >= 100.0 and before.weight and before.phase not in (Phase.DONE, Phase.FROZEN):
            assert self.rollout.phase in (Phase.ABORTED, Phase.FROZEN)
        if before.phase in (Phase.ABORTED, Phase.IDLE, Phase.DONE, Phase.FROZEN, Phase.PAUSED, Phase.GATED):
            assert self.rollout.weight in (before.weight, 0.0)

    @rule(readings=READINGS)
    def tick_twice(self, readings: Readings) -> None:
        self.tick(replace(readings, evidence=1.0), 0.0)
        if self.rollout is None or self.programme is None:
            return
        if self.rollout.phase not in (Phase.RUNNING, Phase.BAKING):
            again = advance(self.rollout, self.now, Readings(), self.programme)
            assert again == (self.rollout, ())

    @rule(verb=st.sampled_from(list(Verb)))
    def say(self, verb: Verb) -> None:
        if self.rollout is None or self.programme is None:
            return
        before = self.rollout
        try:
            self.take(*command(before, verb, self.now, self.programme))
        except Conflict:
            return
        if verb is Verb.ABORT:
            assert (self.rollout.phase, self.rollout.weight) == (Phase.ABORTED, 0.0)

    @rule()
    def crash(self) -> None:
        """All that is left is the file; workers are told its weight again."""
        if self.rollout is not None:
            self.rollout = Rollout.from_json(json.loads(json.dumps(self.rollout.as_json())))
            self.told = self.rollout.weight

    @invariant()
    def workers_know_what_the_state_says(self) -> None:
        if self.rollout is not None:
            assert self.told == self.rollout.weight

    @invariant()
    def a_stopped_candidate_gets_nothing(self) -> None:
        if self.rollout is not None and self.rollout.phase in (Phase.ABORTED, Phase.IDLE):
            assert self.rollout.weight == 0.0

    @invariant()
    def stable_is_never_lost(self) -> None:
        if self.rollout is not None and self.programme is not None:
            assert self.rollout.stable == self.programme.stable
            assert 0.0 <= self.rollout.weight <= 100.0
            if self.rollout.candidate == self.rollout.stable:
                assert self.rollout.weight == 0.0

    @invariant()
    def a_step_that_is_not_there_is_only_ever_the_end(self) -> None:
        if self.rollout is not None and self.rollout.phase is Phase.DONE:
            assert self.rollout.weight == 100.0


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
