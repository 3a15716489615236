"""The pacer: steps with the clock handed in, guards in every state, and a disk that is always ahead of the workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from control.fake_planes import FakeHealth, FakePlanes, FakeWitnesses
from proxy.analysis.witness import ArmCounts, Item, Sighting
from proxy.control.admin.desk import Desk
from proxy.control.admin.inputs import Input
from proxy.control.admin.rollouts import rollouts
from proxy.control.changes import Surroundings
from proxy.control.door import Control
from proxy.control.pacer import Pacer
from proxy.control.programmes import weight_of
from proxy.control.state import MemoryState
from proxy.errors import Conflict, NotFound
from proxy.ledger import By
from proxy.processes.channel import Seen
from proxy.rollout.report import replay
from proxy.rollout.state import Phase
from proxy.rollout.verbs import Verb
from proxy.rules import Policy, Route, Rules, Service, Version
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary
from proxy.strategies.progressive import Analysis, Pause, Progressive, Step

ANN = By("ann@desk", "rollout")
VERSIONS = {name: Version(targets=(f"http://{name}:80",)) for name in ("v1", "v2", "v3")}
AS_WRITTEN = (
    Step(setWeight=20.0),
    Step(pause=Pause(duration=600.0)),
    Step(setWeight=50.0),
    Step(pause=Pause(duration=1800.0)),
    Step(setWeight=100.0),
)


class Stage:
    """One control plane after another over the same state, with a clock in the hand."""

    def __init__(self, policy: Policy) -> None:
        self.now = 1_000_000.0
        self.health = FakeHealth()
        self.state = MemoryState()
        self.witnesses = FakeWitnesses()
        self.use(policy)
        self._number = 0

    def use(self, policy: Policy) -> None:
        """What the rules say from the next `begin` or `reload` on."""
        shop = Service(
            name="shop",
            hosts=("*",),
            versions=VERSIONS,
            canary=policy.canary,
            blue_green=policy.blue_green,
            progressive=policy.progressive,
        )
        self.rules = Rules(services={"shop": shop})

    async def begin(self) -> None:
        """A control plane comes to life, perhaps after another was killed."""
        self.planes = FakePlanes()

        def busy(scope: str) -> str | None:
            return self.pacer.busy(scope)

        around = Surroundings(probe=self.health, busy=busy, wall=lambda: self.now)
        self.control = Control(self.planes, around, self.state)
        self.pacer = Pacer(self.control, self.witnesses)
        await self.control.start(self.rules, "rules.yaml")
        await self.pacer.start()

    async def reload(self) -> None:
        await self.control.reload(self.rules, "rules.yaml")
        await self.pacer.look()

    async def pass_(self, seconds: float) -> None:
        """So much time goes by, with a look at its end."""
        self.now += seconds
        await self.pacer.look()

    def see(self, *, candidate: int = 0, failed: int = 0, stable: int = 0, stable_failed: int = 0) -> None:
        """A worker reports so many requests under the present weight."""
        self._number += 1
        arms = [
            ArmCounts(requests, bad, requests, bad, {}, {})
            for requests, bad in ((stable, stable_failed), (candidate, failed))
        ]
        sighting = Sighting("shop", "", self.release, self.weight / 100, arms[0], arms[1], {})
        self.pacer.hear("1@1.0", Seen(self._number, (sighting,)))

    @property
    def release(self) -> str:
        progressive = self.rules.services["shop"].progressive
        return progressive.release if progressive else ""

    @property
    def phase(self) -> Phase:
        return self.pacer.course("shop").rollout.phase

    @property
    def weight(self) -> float:
        """What the workers give the candidate."""
        return weight_of(self.planes.present[1], self.control.flags.current, "shop", "v2")


def canary(progressive: Progressive) -> Policy:
    return Policy(canary=Canary(stable="v1", candidate="v2"), progressive=progressive)


def programme(**more: object) -> Progressive:
    plain = {"release": "r1", "steps": AS_WRITTEN, "analysis": Analysis(minimum=0)}
    return Progressive(**{**plain, **more})  # type: ignore[arg-type]


async def started(policy: Policy) -> Stage:
    stage = Stage(policy)
    await stage.begin()
    await stage.pacer.look()
    return stage


async def test_the_example_of_the_rules_runs_as_written() -> None:
    stage = await started(canary(programme()))
    seen = []
    for _ in range(45):
        seen.append(stage.weight)
        await stage.pass_(60.0)
    assert seen == [20.0] * 10 + [50.0] * 30 + [100.0] * 5
    assert stage.phase is Phase.DONE


async def test_the_workers_are_told_whom_to_look_for_before_they_draw_anybody() -> None:
    stage = Stage(canary(programme()))
    await stage.begin()
    await stage.pacer.look()
    (watch,) = stage.witnesses.watches
    assert (watch.service, watch.release, watch.stable, watch.candidate) == ("shop", "r1", "v1", "v2")


@pytest.mark.parametrize("steps", [AS_WRITTEN, (Step(setWeight=20.0), Step(pause=Pause()))], ids=["running", "gated"])
async def test_a_sick_candidate_goes_back_in_every_state_and_its_tunnels_are_closed(steps: tuple[Step, ...]) -> None:
    stage = await started(canary(programme(steps=steps)))
    assert stage.weight == 20.0
    stage.see(candidate=200, failed=20, stable=800, stable_failed=2)
    await stage.pass_(1.0)
    assert stage.phase is Phase.ABORTED
    assert stage.weight == 0.0
    assert stage.witnesses.closed == [("shop", "v2")]
    await stage.pass_(3600.0)
    assert stage.weight == 0.0


async def test_a_frozen_rollout_stays_where_it_is_until_somebody_decides() -> None:
    stage = await started(canary(programme(on_failure="freeze")))
    stage.see(candidate=200, failed=20, stable=800, stable_failed=2)
    await stage.pass_(3600.0)
    assert (stage.phase, stage.weight) == (Phase.FROZEN, 20.0)
    assert stage.pacer.report("shop").verdict.endswith("it stays until a person decides.")
    with pytest.raises(Conflict, match="v2 was judged worse and is frozen at shop: abort the rollout first"):
        await stage.control.weight("shop", ANN, weight=5.0)
    with pytest.raises(Conflict, match="`abort` goes back"):
        await stage.pacer.command("shop", Verb.PAUSE, ANN)
    await stage.pacer.command("shop", Verb.ABORT, ANN)
    assert stage.weight == 0.0


async def test_a_weight_set_after_an_abort_shows_in_the_status() -> None:
    stage = await started(canary(programme()))
    await stage.pacer.command("shop", Verb.ABORT, ANN)
    desk = Desk(control=stage.control, pacer=stage.pacer)
    (aborted,) = rollouts(desk, Input()).rollouts
    assert (aborted.weight, aborted.reason) == (0.0, "aborted by a person")
    await stage.control.weight("shop", ANN, weight=30.0)
    (shown,) = rollouts(desk, Input()).rollouts
    assert (shown.phase, shown.weight) == ("aborted", 30.0)
    assert shown.reason.endswith("the weight was set since: the rollout had left it at 0 %")


async def test_no_crash_skips_or_repeats_a_step_and_the_clock_of_a_pause_goes_on() -> None:
    stage = await started(canary(programme()))
    seen = []
    for _ in range(45):
        seen.append(stage.weight)
        stage.now += 30.0
        await stage.begin()
        stage.now += 30.0
        await stage.pacer.look()
    assert seen == [20.0] * 10 + [50.0] * 30 + [100.0] * 5
    events = [line.event for line in stage.pacer.report("shop").lines if line.event != "minute"]
    assert events == ["started", "weight", "weight", "weight", "promoted"]


async def test_a_crash_is_no_second_chance_and_no_report_counts_twice() -> None:
    stage = await started(canary(programme()))
    stage.see(candidate=100, failed=3, stable=400, stable_failed=1)
    await stage.pass_(10.0)
    before = stage.pacer.course("shop").judge.weigh(stage.now)
    kept = dict(stage.witnesses.kept)
    assert kept == {"1@1.0": 1}
    await stage.begin()
    await stage.pacer.look()
    stage.pacer.hear("1@1.0", Seen(1, (Sighting("shop", "", "r1", 0.2, _errors(9), _errors(9), {}),)))
    after = stage.pacer.course("shop").judge.weigh(stage.now)
    assert after == before
    assert stage.witnesses.kept == kept


async def test_what_was_reported_but_not_kept_is_asked_for_again() -> None:
    stage = await started(canary(programme()))
    await stage.pass_(1.0)
    stage.see(candidate=100, failed=3, stable=400, stable_failed=1)
    await stage.begin()
    assert stage.witnesses.kept == {}


async def test_a_new_release_starts_over_and_the_old_one_is_remembered() -> None:
    stage = await started(canary(programme()))
    await stage.pass_(700.0)
    assert stage.weight == 50.0
    stage.use(canary(programme(release="r2")))
    await stage.reload()
    assert stage.weight == 20.0
    assert [report.release for report in stage.pacer.reports("shop")] == ["r2", "r1"]


async def test_an_overtaken_rollout_is_over_in_the_history() -> None:
    stage = await started(canary(programme()))
    await stage.pass_(60.0)
    stage.use(canary(programme(release="r2")))
    await stage.reload()
    present, former = stage.pacer.reports("shop")
    assert (present.release, present.phase, present.ended) == ("r2", Phase.RUNNING, None)
    assert (former.release, former.phase, former.ended) == ("r1", Phase.ABORTED, stage.now)
    assert former.reason == "overtaken by r2"


async def test_a_frozen_rollout_that_is_retried_keeps_why_it_was_frozen_in_the_history() -> None:
    stage = await started(canary(programme(on_failure="freeze")))
    stage.see(candidate=200, failed=20, stable=800, stable_failed=2)
    await stage.pass_(1.0)
    await stage.pacer.command("shop", Verb.RETRY, ANN)
    present, former = stage.pacer.reports("shop")
    assert (present.attempt, present.ended) == (2, None)
    assert former.ended == stage.now
    assert former.reason.startswith("the candidate is worse")
    assert former.reason.endswith("; begun again")


async def test_a_release_that_came_while_nobody_was_there_starts_over() -> None:
    stage = await started(canary(programme()))
    await stage.pass_(700.0)
    stage.use(canary(programme(release="r2")))
    await stage.begin()
    await stage.pacer.look()
    course = stage.pacer.course("shop")
    assert (course.rollout.release, course.rollout.started, stage.weight) == ("r2", stage.now, 20.0)


async def test_an_edit_that_does_not_concern_the_rollout_moves_nothing() -> None:
    stage = await started(canary(programme()))
    await stage.pass_(700.0)
    stage.use(canary(programme(analysis=Analysis(minimum=0, alpha=0.05))))
    await stage.reload()
    assert stage.weight == 50.0


async def test_taking_progressive_out_ends_the_rollout() -> None:
    stage = await started(canary(programme()))
    stage.use(Policy(canary=Canary(stable="v1", candidate="v2", weight=5.0)))
    await stage.reload()
    assert stage.weight == 5.0
    with pytest.raises(NotFound):
        stage.pacer.course("shop")


async def test_a_candidate_that_is_not_up_waits_for_its_first_request() -> None:
    stage = Stage(canary(programme()))
    stage.health.dead.add("v2")
    await stage.begin()
    await stage.pacer.look()
    await stage.pass_(60.0)
    assert stage.weight == 0.0
    assert "no healthy target" in stage.pacer.report("shop").reason
    with pytest.raises(Conflict, match="no healthy target"):
        await stage.pacer.command("shop", Verb.PROMOTE_FULL, ANN)
    stage.health.dead.clear()
    await stage.pass_(1.0)
    assert stage.weight == 20.0


async def test_verbs_have_argos_meaning() -> None:
    stage = await started(canary(programme()))
    await stage.pacer.command("shop", Verb.PROMOTE, ANN)
    await stage.pass_(1.0)
    assert stage.weight == 50.0
    await stage.pacer.command("shop", Verb.ABORT, ANN)
    assert (stage.weight, stage.pacer.course("shop").rollout.step) == (0.0, 0)
    await stage.pacer.command("shop", Verb.RETRY, ANN)
    await stage.pass_(1.0)
    assert stage.weight == 20.0
    await stage.pacer.command("shop", Verb.PROMOTE_FULL, ANN)
    assert stage.weight == 100.0
    await stage.pacer.command("shop", Verb.UNDO, ANN)
    assert stage.weight == 0.0
    assert [entry.who for entry in stage.control.store.ledger.entries if entry.who != "file"].count("ann@desk") >= 4


async def test_blue_green_switches_when_it_is_told_and_goes_back_by_undo() -> None:
    progressive = Progressive(release="r1", candidate="v2", auto_promotion=False)
    stage = await started(Policy(blue_green=BlueGreen(active="v1"), progressive=progressive))
    await stage.pass_(3600.0)
    assert (stage.phase, stage.weight) == (Phase.GATED, 0.0)
    await stage.pacer.command("shop", Verb.PROMOTE, ANN)
    await stage.pass_(1.0)
    assert (stage.phase, stage.weight) == (Phase.DONE, 100.0)
    await stage.pacer.command("shop", Verb.UNDO, ANN)
    assert stage.weight == 0.0


async def test_blue_green_with_a_holdback_is_compared_while_it_bakes() -> None:
    progressive = Progressive(
        release="r1", candidate="v2", holdback=10.0, bake=600.0, analysis=Analysis(minimum=0, seconds=0.0)
    )
    stage = await started(Policy(blue_green=BlueGreen(active="v1"), progressive=progressive))
    await stage.pass_(1.0)
    assert (stage.phase, stage.weight) == (Phase.BAKING, 90.0)
    assert stage.control.export().services["shop"].canary is None
    stage.see(candidate=900, failed=90, stable=100)
    await stage.pass_(1.0)
    assert (stage.phase, stage.weight) == (Phase.ABORTED, 0.0)


async def test_every_figure_of_the_report_can_be_computed_again() -> None:
    stage = await started(canary(programme()))
    for _ in range(30):
        stage.see(candidate=40, failed=1, stable=160, stable_failed=3)
        await stage.pass_(20.0)
    stage.see(candidate=200, failed=60, stable=200, stable_failed=1)
    await stage.pass_(1.0)
    assert stage.phase is Phase.ABORTED
    figures = list(replay(stage.pacer.report("shop")))
    assert len(figures) > 10
    assert all(figure.is_right for figure in figures)
    assert figures[-1].has_crossed
    report = stage.pacer.report("shop")
    last = report.lines[-1]
    assert last.counters is not None
    forged = replace(last, counters=replace(last.counters, strata={}))
    assert not all(figure.is_right for figure in replay(replace(report, lines=(*report.lines[:-1], forged))))


async def test_a_long_report_forgets_its_oldest_lines_and_can_still_be_computed_again() -> None:
    stage = await started(canary(programme(steps=(Step(setWeight=20.0), Step(pause=Pause())))))
    for _ in range(400):
        stage.see(candidate=40, failed=1, stable=160, stable_failed=4)
        await stage.pass_(60.0)
    stage.see(candidate=2000, failed=600, stable=200, stable_failed=1)
    await stage.pass_(1.0)
    report = stage.pacer.report("shop")
    assert (report.forgotten > 0, len(report.lines)) == (True, 300)
    assert all(figure.is_right for figure in replay(report))


async def test_what_was_seen_is_still_shown_when_it_is_over() -> None:
    stage = await started(canary(programme()))
    stage.see(candidate=200, failed=20, stable=800, stable_failed=2)
    await stage.pass_(1.0)
    assert stage.phase is Phase.ABORTED
    assert stage.pacer.course("shop").seen == (800, 2, 200, 20)


async def test_identities_travel_as_items_and_survive() -> None:
    stage = await started(canary(programme()))
    items = tuple(Item(identity, identity % 2 == 0, -1) for identity in range(10))
    sighting = Sighting("shop", "", "r1", 0.2, _errors(0), _errors(0), {}, items)
    stage.pacer.hear("1@1.0", Seen(1, (sighting,)))
    await stage.pass_(10.0)
    before = stage.pacer.course("shop").judge.weigh(stage.now)
    await stage.begin()
    await stage.pacer.look()
    stage.pacer.hear("2@1.0", Seen(1, (sighting,)))
    assert stage.pacer.course("shop").judge.weigh(stage.now) == before
    assert stage.pacer.course("shop").judge.failed_identities == 5


async def test_it_looks_by_itself_until_it_is_cancelled() -> None:
    stage = Stage(canary(programme()))
    await stage.begin()
    running = asyncio.create_task(stage.pacer.run())
    with stage.control.events.listen() as listener:
        async with asyncio.timeout(5):
            async for event in listener:
                if event.name == "rollout" and stage.weight == 20.0:
                    break
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def _errors(count: int) -> ArmCounts:
    return ArmCounts(count, count, count, count, {}, {})


def test_a_route_of_its_own_is_left_out_of_the_services_rollout() -> None:
    from proxy.control.programmes import routes_apart

    api = Route(name="api", canary=Canary(stable="v1", candidate="v3"))
    shop = Service(
        name="shop", hosts=("*",), versions=VERSIONS, canary=Canary(stable="v1", candidate="v2"), routes=(api,)
    )
    assert routes_apart(Rules(services={"shop": shop}), "shop") == ("api",)


async def test_undo_never_gives_a_candidate_that_went_back_its_traffic_again() -> None:
    canary = Canary(stable="v1", candidate="v2")
    stage = Stage(Policy(canary=canary, progressive=Progressive(release="1", steps=AS_WRITTEN)))
    await stage.begin()
    await stage.pass_(1.0)
    await stage.pass_(1.0)
    await stage.pacer.command("shop", Verb.ABORT, ANN)

    with pytest.raises(Conflict, match="`rollout retry` begins one that went back again"):
        await stage.control.undo(ANN)
    assert weight_of(stage.control.store.state.effective, stage.control.flags.current, "shop", "v2") == 0.0
