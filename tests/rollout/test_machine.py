"""The step machine: Argo's steps run as written, and no history gives a stopped candidate traffic."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from proxy.errors import Conflict
from proxy.rollout.machine import advance, begin, follow
from proxy.rollout.measurement import Status
from proxy.rollout.programme import Programme, of_blue_green, of_canary
from proxy.rollout.state import Action, Announce, Ask, Hold, Move, Phase, Readings, Rollout
from proxy.rollout.verbs import TABLE, Verb, as_markdown, command
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary
from proxy.strategies.progressive import Progressive

CANARY = Canary(stable="v1", candidate="v2")
EXAMPLE = {
    "release": "2026-11-22-a",
    "steps": [
        {"setWeight": 20},
        {"pause": {"duration": "10m"}},
        {"setWeight": 50},
        {"pause": {"duration": "30m"}},
        {"setWeight": 100},
    ],
}


def programme(**written: object) -> Programme:
    progressive = TypeAdapter(Progressive).validate_python({**EXAMPLE, **written})
    return of_canary(progressive, CANARY)


class Run:
    """A rollout with its clock in hand; every state goes through JSON, as through a restart."""

    def __init__(self, rules: Programme) -> None:
        self.rules = rules
        self.now = 0.0
        self.actions: list[Action] = []
        self.weights: list[tuple[float, float]] = []
        self.readings = Readings()
        self.take(begin(rules, self.now))

    def take(self, turn: tuple[Rollout, tuple[Action, ...]]) -> None:
        self.rollout = Rollout.from_json(json.loads(json.dumps(turn[0].as_json())))
        self.actions.extend(turn[1])
        self.weights.extend((self.now, action.weight) for action in turn[1] if isinstance(action, Move))

    def tick(self, now: float, **readings: object) -> Rollout:
        self.now = now
        seen = {"units": 500, "units_since": self.rollout.weight_since, **readings}
        self.take(advance(self.rollout, now, replace(self.readings, **seen), self.rules))
        return self.rollout

    def say(self, verb: Verb) -> Rollout:
        self.take(command(self.rollout, verb, self.now, self.rules))
        return self.rollout


def test_the_example_of_the_rules_runs_as_written() -> None:
    run = Run(programme())
    for second in range(2_500):
        run.tick(float(second))
    assert run.weights == [(0.0, 0.0), (0.0, 20.0), (600.0, 50.0), (2400.0, 100.0)]
    assert run.rollout.phase is Phase.DONE


def test_a_restart_neither_skips_nor_repeats_a_step_and_the_clock_of_a_pause_goes_on() -> None:
    run = Run(programme())
    run.tick(0.0)
    run.tick(1.0)
    assert run.tick(599.0).weight == 20.0
    assert run.tick(600.0).weight == 50.0
    before = len(run.actions)
    run.tick(600.0)
    assert run.actions[before:] == []


def test_a_pause_without_duration_waits_for_promote_and_is_guarded_meanwhile() -> None:
    rules = programme(steps=[{"setWeight": 20}, {"pause": {}}, {"setWeight": 100}])
    run = Run(rules)
    run.tick(0.0)
    assert run.tick(1e6).phase is Phase.GATED
    assert run.tick(1e6 + 1, evidence=100.0).phase is Phase.ABORTED
    assert run.rollout.weight == 0.0


def test_promote_passes_one_pause_and_waives_the_minimum_of_that_weight_only() -> None:
    run = Run(programme(steps=[{"setWeight": 20}, {"pause": {}}, {"setWeight": 50}, {"setWeight": 100}]))
    run.tick(0.0)
    run.say(Verb.PROMOTE)
    assert run.tick(1.0, units=0).weight == 50.0
    assert run.tick(500.0, units=0).weight == 50.0
    assert run.tick(501.0, units=500).phase is Phase.DONE


def test_too_little_traffic_is_never_a_rollback_but_a_question() -> None:
    run = Run(programme(steps=[{"setWeight": 20}, {"pause": "60s"}, {"setWeight": 100}]))
    run.tick(0.0)
    assert run.tick(3600.0, units=499).phase is Phase.RUNNING
    assert run.tick(3601.0, units=499).phase is Phase.GATED
    assert run.rollout.weight == 20.0
    assert "too little traffic" in run.rollout.reason
    run.say(Verb.RESUME)
    assert run.tick(3602.0, units=499).phase is Phase.RUNNING


def test_units_of_the_former_weight_do_not_count_for_the_next() -> None:
    run = Run(programme(steps=[{"setWeight": 5}, {"setWeight": 50}, {"setWeight": 100}], analysis={"seconds": 0}))
    run.tick(0.0)
    assert run.tick(1.0).weight == 50.0


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.GATED, Phase.PAUSED, Phase.BAKING])
@pytest.mark.parametrize(
    "trouble",
    [
        {"evidence": 100.0},
        {"cap": "6 requests failed"},
        {"metrics": Status.FAILED},
        {"metrics": Status.ERROR},
        {"gates": {"rollback": True}},
    ],
)
def test_guards_are_on_in_every_state(phase: Phase, trouble: dict[str, object]) -> None:
    run = Run(programme())
    run.tick(0.0)
    run.rollout = replace(run.rollout, phase=phase)
    after = run.tick(1.0, **trouble)
    assert (after.phase, after.weight) == (Phase.ABORTED, 0.0)
    assert after.reason


def test_freeze_keeps_the_weight_until_a_person_decides() -> None:
    run = Run(programme(on_failure="freeze"))
    run.tick(0.0)
    assert run.tick(1.0, evidence=1e6).phase is Phase.FROZEN
    assert run.tick(1e6).weight == 20.0
    with pytest.raises(Conflict):
        run.say(Verb.RESUME)
    assert run.say(Verb.ABORT).weight == 0.0


def test_bake_keeps_a_holdback_and_set_weight_100_means_100() -> None:
    run = Run(programme(bake="5m"))
    for second in range(0, 3_000, 10):
        run.tick(float(second))
    assert [weight for _, weight in run.weights] == [0.0, 20.0, 50.0, 100.0, 95.0, 100.0]
    assert run.weights[-1][0] - run.weights[-2][0] == 300.0


def test_inconclusive_metrics_pause_and_resume_measures_anew() -> None:
    run = Run(programme())
    run.tick(0.0)
    assert run.tick(1.0, metrics=Status.INCONCLUSIVE).phase is Phase.GATED
    epoch = run.rollout.epoch
    run.say(Verb.RESUME)
    assert run.rollout.epoch == epoch + 1
    assert run.tick(600.0).weight == 50.0


def test_an_inline_analysis_holds_the_step_until_its_metrics_have_ended() -> None:
    metric = {"name": "m", "provider": {"web": {"url": "http://127.0.0.1"}}, "successCondition": "result == 1"}
    steps = [{"setWeight": 20}, {"analysis": {"metrics": [metric]}}, {"setWeight": 100}]
    run = Run(programme(steps=steps))
    run.tick(0.0)
    assert run.tick(100.0, step_metrics=Status.RUNNING).weight == 20.0
    assert run.tick(101.0, step_metrics=Status.SUCCESSFUL).phase is Phase.DONE
    run = Run(programme(steps=steps))
    run.tick(0.0)
    assert run.tick(100.0, step_metrics=Status.ERROR).phase is Phase.ABORTED


def test_a_hold_is_asked_for_once_and_an_unknown_end_is_a_question() -> None:
    steps = [{"setWeight": 20}, {"hold": {"max": "5s", "hook": "http://127.0.0.1/migrate"}}, {"setWeight": 100}]
    run = Run(programme(steps=steps))
    run.tick(0.0)
    run.tick(1.0)
    run.tick(2.0)
    assert [action for action in run.actions if isinstance(action, Hold)] == [Hold(5.0, "http://127.0.0.1/migrate")]
    lost = replace(run.rollout)
    assert run.tick(100.0, hold="done").phase is Phase.DONE
    run.rollout = lost
    assert run.tick(100.0, hold="lost").phase is Phase.GATED


def test_gates_keep_the_candidate_from_more_traffic_until_they_open() -> None:
    hooks = [
        {"name": kind, "type": kind, "url": "http://127.0.0.1"} for kind in ("confirm-rollout", "confirm-promotion")
    ]
    run = Run(programme(webhooks=hooks, steps=[{"setWeight": 20}]))
    run.tick(0.0)
    run.tick(1.0)
    assert run.rollout.weight == 0.0
    assert [action for action in run.actions if isinstance(action, Ask)] == [Ask("confirm-rollout")]
    assert run.tick(2.0, gates={"confirm-rollout": False}).weight == 0.0
    assert run.tick(3.0, gates={"confirm-rollout": True}).weight == 20.0
    assert run.tick(100.0).waits_for == "confirm-promotion"
    assert run.tick(101.0, gates={"confirm-promotion": True}).phase is Phase.DONE


def test_a_failed_pre_rollout_hook_ends_it_before_anybody_has_seen_the_candidate() -> None:
    run = Run(programme(webhooks=[{"name": "smoke", "type": "pre-rollout", "url": "http://127.0.0.1"}]))
    run.tick(0.0)
    assert run.tick(1.0, gates={"pre-rollout": False}).phase is Phase.ABORTED
    assert {weight for _, weight in run.weights} == {0.0}


def test_abort_resets_the_steps_and_retry_begins_again() -> None:
    run = Run(programme())
    run.tick(0.0)
    run.tick(600.0)
    assert run.say(Verb.ABORT).weight == 0.0
    assert run.tick(1e6).phase is Phase.ABORTED
    again = run.say(Verb.RETRY)
    assert (again.step, again.attempt, again.weight) == (0, 2, 0.0)


def test_a_new_release_midway_starts_over_and_going_back_skips_the_steps() -> None:
    run = Run(programme())
    run.tick(0.0)
    run.say(Verb.PROMOTE_FULL)
    second = programme(release="b")
    over, actions = follow(run.rollout, second, 10.0)
    assert over is not None
    assert (over.phase, over.weight, over.step, actions[0]) == (Phase.RUNNING, 0.0, 0, Move(0.0))
    back, actions = follow(over, run.rules, 20.0)
    assert back is not None
    assert (back.phase, back.weight) == (Phase.DONE, 100.0)
    assert isinstance(actions[1], Announce)


def test_editing_the_analysis_moves_no_traffic_and_removing_the_rollout_ends_it() -> None:
    run = Run(programme())
    run.tick(0.0)
    assert follow(run.rollout, programme(analysis={"minimum": 9}), 1.0) == (run.rollout, ())
    assert follow(run.rollout, None, 1.0) == (None, ())


def test_a_candidate_that_is_the_stable_version_leaves_nothing_to_roll_out() -> None:
    progressive = TypeAdapter(Progressive).validate_python(EXAMPLE)
    same = of_canary(progressive, Canary(stable="v1", candidate="v1"))
    rollout, actions = follow(None, same, 0.0)
    assert rollout is not None
    assert (rollout.phase, actions) == (Phase.IDLE, (Move(0.0),))


def test_blue_green_switches_after_its_delay_and_switches_back_when_found_wanting() -> None:
    written = {"release": "a", "candidate": "green", "auto_promotion_delay": "1m", "post_promotion": {}, "holdback": 10}
    rules = of_blue_green(TypeAdapter(Progressive).validate_python(written), BlueGreen(active="blue"))
    run = Run(rules)
    run.tick(0.0)
    assert run.tick(59.0).weight == 0.0
    assert run.tick(60.0).weight == 90.0
    assert run.tick(130.0, units=10).weight == 90.0
    assert run.tick(131.0, evidence=100.0).weight == 0.0


def test_blue_green_without_holdback_has_nothing_to_compare_and_goes_by_metrics_alone() -> None:
    written = {"release": "a", "candidate": "green", "auto_promotion": False}
    rules = of_blue_green(TypeAdapter(Progressive).validate_python(written), BlueGreen(active="blue"))
    run = Run(rules)
    assert run.tick(1e6).phase is Phase.GATED
    run.say(Verb.PROMOTE)
    assert run.tick(1e6 + 1, units=0).phase is Phase.DONE


def test_the_table_answers_every_verb_in_every_state() -> None:
    assert set(TABLE) == set(Phase)
    assert all(set(verbs) == set(Verb) for verbs in TABLE.values())
    assert len(as_markdown().splitlines()) == len(Phase) + 2
