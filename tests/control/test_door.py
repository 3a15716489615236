"""Every verb: what it moves, what it refuses, what it says, and what a restart finds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from control.fake_planes import FakeHealth, FakePlanes, rules
from proxy.control.changes import Surroundings
from proxy.control.dataplanes import CompileFailed
from proxy.control.door import Control
from proxy.control.events import Event
from proxy.control.state import FileState
from proxy.errors import Conflict, Invalid, NotFound
from proxy.ledger import By
from proxy.overrides import WEIGHT
from proxy.rules import Rules
from proxy.store import Set, Stale

ANN = By("ann@desk", "a verb")


def colour(planes: FakePlanes) -> str:
    found = planes.present[1].services["shop"].blue_green
    assert found is not None
    return found.active


async def test_a_switch_answers_once_the_workers_have_it_and_counts_what_is_left(
    control: Control, planes: FakePlanes
) -> None:
    planes.busy = {("shop", "blue"): 3, ("shop", "green"): 1, ("blog", "v1"): 9}
    answer = await control.switch("shop", "green", ANN, expecting=1)
    assert (answer.revision, answer.in_flight, answer.acknowledged_workers) == (2, 3, (0, 1))
    assert planes.present[0] == 2
    assert colour(planes) == "green"
    assert answer.notes == ("routes that keep their own: shop/api, shop/split",)


async def test_a_switch_to_a_dead_colour_is_refused_with_the_reason_unless_forced(
    control: Control, planes: FakePlanes, health: FakeHealth
) -> None:
    health.dead = {"green"}
    with pytest.raises(Conflict, match="green has no healthy target: green: connection refused"):
        await control.switch("shop", "green", ANN)
    assert colour(planes) == "blue"
    await control.switch("shop", "green", ANN, force=True)
    assert colour(planes) == "green"


async def test_a_switch_to_a_drained_colour_is_refused(control: Control) -> None:
    await control.drain("shop", "teal", ANN)
    with pytest.raises(Conflict, match="drained"):
        await control.switch("shop", "teal", ANN)


async def test_a_switch_can_wait_until_the_old_colour_is_empty(control: Control, planes: FakePlanes) -> None:
    planes.busy, planes.empties_after_asked = {("shop", "blue"): 3}, 3
    answer = await control.switch("shop", "green", ANN, wait=30)
    assert (answer.in_flight, answer.complete) == (0, True)


@pytest.mark.parametrize(
    ("scope", "version", "error"),
    [
        ("nope", "green", NotFound),
        ("shop/nope", "green", NotFound),
        ("shop", "nope", NotFound),
        ("shop/api", "green", Conflict),
        ("shop/plain", "green", Conflict),
        ("blog", "v1", Conflict),
    ],
)
async def test_a_switch_that_makes_no_sense_changes_nothing(
    control: Control, planes: FakePlanes, scope: str, version: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await control.switch(scope, version, ANN)
    assert len(planes.published) == 1


async def test_a_verb_that_changes_nothing_reaches_no_worker(control: Control, planes: FakePlanes) -> None:
    answer = await control.switch("shop", "blue", ANN)
    assert (answer.changed, answer.revision, len(planes.published)) == (False, 1, 1)


async def test_weights_move_only_their_own_scope(control: Control, planes: FakePlanes) -> None:
    await control.weight("shop/api", ANN, weight=25)
    await control.weight("shop/split", ANN, weights={"blue": 1, "green": 1, "teal": 2})
    api, split, _ = planes.present[1].services["shop"].routes
    assert api.canary is not None
    assert split.canary is not None
    assert api.canary.weight == 25
    assert split.canary.weights == {"blue": 1, "green": 1, "teal": 2}
    assert colour(planes) == "blue"


async def test_weights_that_do_not_fit_are_refused(control: Control) -> None:
    with pytest.raises(Conflict, match="use `switch`"):
        await control.weight("shop", ANN, weight=25)
    with pytest.raises(Conflict, match="blue=80,green=20"):
        await control.weight("shop/split", ANN, weight=25)
    with pytest.raises(Conflict, match="one candidate, green"):
        await control.weight("shop/api", ANN, weights={"green": 25})
    with pytest.raises(NotFound):
        await control.weight("shop/split", ANN, weights={"nope": 25})
    with pytest.raises(Invalid):
        await control.weight("shop/split", ANN, weights={"blue": 0})


async def test_a_running_rollout_is_not_disturbed(planes: FakePlanes, health: FakeHealth) -> None:
    def busy(scope: str) -> str | None:
        return "a rollout is running: pause or abort first" if scope == "shop/api" else None

    control = Control(planes, Surroundings(probe=health, busy=busy))
    await control.start(rules(), "rules.yaml")
    with pytest.raises(Conflict, match="a rollout is running: pause or abort first"):
        await control.weight("shop/api", ANN, weight=25)
    assert await control.step(Set("shop/api", WEIGHT, 40.0, "rollout"), By("rollout", "step 2"), {"step": 2})
    with pytest.raises(Conflict, match="a rollout is running"):
        await control.undo(ANN)
    with pytest.raises(Conflict, match="a rollout is running"):
        await control.reset("shop", ANN)


async def test_two_at_once_that_expect_the_same_revision_do_not_both_win(control: Control) -> None:
    outcomes = await asyncio.gather(
        control.switch("shop", "green", ANN, expecting=1),
        control.switch("shop", "teal", ANN, expecting=1),
        return_exceptions=True,
    )
    assert [type(outcome) is Stale for outcome in outcomes].count(True) == 1


async def test_a_hold_returns_when_nothing_is_in_flight(control: Control, planes: FakePlanes) -> None:
    planes.busy, planes.empties_after_asked = {("shop", "blue"): 3}, 4
    answer = await control.hold("shop", ANN, max_seconds=10, for_seconds=30, wait=30)
    assert (answer.complete, answer.in_flight) == (True, 0)
    assert planes.holds == {"shop": (10, 30)}
    assert control.condition.holds["shop"].until == 1030.0
    assert (await control.release("shop", ANN)).changed
    noted = len(control.store.ledger.entries)
    again = await control.release("shop", ANN)
    assert (again.changed, again.message) == (False, "shop was not on hold")
    assert len(control.store.ledger.entries) == noted
    assert planes.holds == {}


async def test_a_hold_that_reaches_its_bound_says_what_is_left(control: Control, planes: FakePlanes) -> None:
    planes.busy = {("shop", "blue"): 3}
    answer = await control.hold("shop", ANN, max_seconds=10, for_seconds=30, wait=0)
    assert (answer.complete, answer.in_flight) == (False, 3)


async def test_a_hold_ends_by_itself(planes: FakePlanes, health: FakeHealth) -> None:
    now = [1000.0]
    control = Control(planes, Surroundings(probe=health, wall=lambda: now[0]))
    await control.start(rules(), "rules.yaml")
    await control.hold("shop", ANN, max_seconds=10, for_seconds=30, wait=0)
    now[0] = 1031.0
    await control.tend()
    assert control.condition.holds == {}


async def test_a_drained_version_or_target_gets_nothing_and_can_come_back(control: Control, planes: FakePlanes) -> None:
    await control.drain("shop", "teal", ANN)
    await control.drain("shop", "blue", ANN, target="http://blue:80")
    assert planes.present[1].services["shop"].drained == ("teal", "blue@http://blue:80")
    await control.drain("shop", "teal", ANN, back=True)
    assert planes.present[1].services["shop"].drained == ("blue@http://blue:80",)


async def test_what_alone_answers_is_not_drained_by_mistake(control: Control, planes: FakePlanes) -> None:
    with pytest.raises(Conflict, match="nothing else answers for shop"):
        await control.drain("shop", "blue", ANN)
    await control.drain("shop", "blue", ANN, target="http://blue:80")
    with pytest.raises(Conflict, match="nothing else answers"):
        await control.drain("shop", "blue", ANN, target="http://blue:81")
    with pytest.raises(NotFound):
        await control.drain("shop", "blue", ANN, target="http://blue:99")
    await control.drain("shop", "blue", ANN, force=True)
    assert "blue" in planes.present[1].services["shop"].drained


async def test_undo_says_when_the_last_change_came_from_a_file(control: Control, planes: FakePlanes) -> None:
    await control.switch("shop", "green", ANN)
    await control.reload(rules(weight=20), "rules.yaml")
    answer = await control.undo(ANN)
    assert colour(planes) == "blue"
    assert answer.notes == ("revision 3 came from the rules file and stays: undo it there",)


async def test_reset_goes_back_to_the_file(control: Control, planes: FakePlanes) -> None:
    await control.switch("shop", "green", ANN)
    await control.weight("shop/api", ANN, weight=25)
    await control.reset("shop", ANN)
    assert planes.present[1] == rules()


async def test_rules_that_no_worker_can_compile_are_undone_everywhere(control: Control, planes: FakePlanes) -> None:
    planes.refuses = {"shop"}
    with pytest.raises(CompileFailed):
        await control.switch("shop", "teal", ANN)
    assert planes.present == (3, rules())
    assert control.store.revision == 3
    assert control.store.state.overrides == ()


async def test_a_file_that_says_nothing_new_reaches_no_worker(control: Control, planes: FakePlanes) -> None:
    assert await control.reload(rules(), "rules.yaml") is None
    assert len(planes.published) == 1


async def test_a_file_edit_to_a_dead_colour_waits_and_takes_effect_when_it_is_healthy(
    control: Control, planes: FakePlanes, health: FakeHealth
) -> None:
    health.dead = {"green"}
    await control.reload(rules("green", weight=20), "rules.yaml")
    api = planes.present[1].services["shop"].routes[0].canary
    assert api is not None
    assert api.weight == 20
    assert colour(planes) == "blue"
    await control.tend()
    assert [move.wanted for move in control.store.waiting()] == ["green"]
    assert control.export() == rules("green", weight=20)
    health.dead = set()
    await control.tend()
    assert colour(planes) == "green"
    assert control.store.waiting() == ()


async def test_an_export_has_the_overrides_folded_in(control: Control, planes: FakePlanes) -> None:
    await control.switch("shop", "green", ANN)
    assert control.export() == planes.present[1]


async def test_a_broken_file_is_told_until_it_is_mended(control: Control) -> None:
    with control.events.listen() as listener:
        control.refuse(["rules.yaml:14: services.shop.canary.weight: 140 is not between 0 and 100"])
        assert control.condition.faults
        await control.reload(rules(), "rules.yaml")
        assert control.condition.faults == ()
        assert [await listener.next(), await listener.next()] == [
            Event(
                "rules",
                1,
                {
                    "valid": False,
                    "faults": list(("rules.yaml:14: services.shop.canary.weight: 140 is not between 0 and 100",)),
                },
            ),
            Event("rules", 1, {"valid": True, "faults": []}),
        ]


async def test_who_listens_too_slowly_is_let_go_and_counted(control: Control) -> None:
    with control.events.listen() as listener:
        for number in range(300):
            control.events.emit(Event("change", number, None))
        heard = [event async for event in listener]
    assert len(heard) == 256
    assert control.events.dropped == 1


async def test_a_restart_finds_overrides_ledger_and_rollouts_and_counts_on(tmp_path: Path, health: FakeHealth) -> None:
    async def started(file: Rules) -> tuple[Control, FakePlanes]:
        planes = FakePlanes()
        control = Control(planes, Surroundings(probe=health), FileState(tmp_path / "state"))
        await control.start(file, "rules.yaml")
        return control, planes

    control, _ = await started(rules())
    await control.switch("shop", "green", ANN)
    await control.keep_rollouts({"shop": {"step": 2}})
    again, planes = await started(rules())
    assert colour(planes) == "green"
    assert planes.present[0] == 3
    assert again.rollouts == {"shop": {"step": 2}}
    assert [entry.who for entry in again.store.ledger.entries] == ["file", "ann@desk", "file"]
    await again.undo(ANN)
    assert colour(planes) == "blue"


async def test_a_lost_state_is_reported_and_does_not_count_back(tmp_path: Path, health: FakeHealth) -> None:
    (tmp_path / "state").write_bytes(b"garbage")
    planes = FakePlanes()
    control = Control(planes, Surroundings(probe=health), FileState(tmp_path / "state"))
    await control.start(rules(), "rules.yaml", seen_revision=41)
    assert planes.present[0] == 42
    assert control.condition.state_lost[0] == "everything"


async def test_a_state_that_cannot_be_saved_stops_no_change_but_is_said(tmp_path: Path, health: FakeHealth) -> None:
    planes = FakePlanes()
    control = Control(planes, Surroundings(probe=health), FileState(tmp_path / "missing" / "state"))
    await control.start(rules(), "rules.yaml")
    answer = await control.switch("shop", "green", ANN)
    assert colour(planes) == "green"
    assert "the state is not saved" in answer.notes[0]


async def test_a_version_that_keeps_a_share_is_not_waited_for(control: Control, planes: FakePlanes) -> None:
    planes.busy = {("shop", "blue"): 3, ("shop", "green"): 2}
    assert (await control.weight("shop/split", ANN, weights={"blue": 50, "green": 50})).in_flight == 0
    assert (await control.weight("shop/split", ANN, weights={"blue": 1})).in_flight == 2
    await control.switch("shop", "green", ANN)
    assert (await control.undo(ANN)).in_flight == 2
    assert (await control.reset("shop", ANN)).in_flight == 0


async def test_a_hold_is_written_down_for_after_a_restart(tmp_path: Path, health: FakeHealth) -> None:
    for _ in range(2):
        control = Control(FakePlanes(), Surroundings(probe=health), FileState(tmp_path / "state"))
        await control.start(rules(), "rules.yaml")
        await control.hold("shop", By("ann@desk", "hold shop"), max_seconds=1, for_seconds=1, wait=0)
    assert [entry.what for entry in control.store.ledger.entries].count("hold shop") == 2


async def test_a_colour_that_arrives_but_cannot_be_compiled_leaves_the_control_plane_alive(
    control: Control, planes: FakePlanes, health: FakeHealth
) -> None:
    health.dead = {"teal"}
    await control.reload(rules("teal"), "rules.yaml")
    health.dead, planes.refuses = set(), {"shop"}
    await control.tend()
    assert colour(planes) == "blue"
    assert [move.wanted for move in control.store.waiting()] == ["teal"]
