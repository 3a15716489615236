"""What a verb is said of: a verb for a whole service never seems to hold for a part of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control.fake_planes import FakePlanes, rules
from proxy.conditions import When
from proxy.control.admin.views import status
from proxy.control.door import Control
from proxy.errors import Conflict, NotFound
from proxy.ledger import By
from proxy.rules import Rules
from proxy.strategies.flags import Flag
from proxy.strategies.shadow import Shadow

ANN = By("ann@desk", "a verb")


def unsaid() -> Rules:
    """`blog` has one version and says no strategy."""
    services = rules().services
    return Rules(services={**services, "blog": replace(services["blog"], rolling=None)})


@pytest.mark.parametrize("name", ["shop/api", "shop/nope", "shop/", "nope"])
async def test_a_hold_of_what_is_no_service_is_refused_and_not_seemingly_done(
    control: Control, planes: FakePlanes, name: str
) -> None:
    with pytest.raises(NotFound):
        await control.hold(name, ANN, max_seconds=10, for_seconds=30, wait=0)
    with pytest.raises(NotFound):
        await control.release(name, ANN)
    with pytest.raises(NotFound):
        await control.reset(name, ANN)
    assert planes.holds == {}
    assert control.condition.holds == {}


async def test_an_undo_says_what_it_took_back(control: Control) -> None:
    await control.switch("shop", "green", By("ann@desk", "switch shop green"))
    answer = await control.undo(By("ann@desk", "undo"))
    assert answer.message == "undo switch shop green"
    assert control.store.ledger.latest(1)[0].what == "undo switch shop green"


async def test_the_only_version_is_shown_and_guarded_though_no_strategy_is_said(control: Control) -> None:
    await control.reload(unsaid(), "rules.yaml")
    (strategy,) = next(one for one in status(control, lambda *_: "up").services if one.name == "blog").strategies
    assert (strategy.strategy, strategy.percent) == ("rolling", {"v1": 100.0})
    with pytest.raises(Conflict, match="nothing else answers for blog"):
        await control.drain("blog", "v1", ANN)


async def test_the_status_says_who_hears_copies_which_rules_come_first_and_who_is_not_checked(control: Control) -> None:
    present = rules()
    shop = replace(
        present.services["shop"],
        shadow=(Shadow(version="green", percent=25),),
        flags=(Flag(name="beta-testers", when=When(), version="green"),),
    )
    await control.reload(Rules(services={**present.services, "shop": shop}), "rules.yaml")
    seen = next(one for one in status(control, lambda *_: "unknown").services if one.name == "shop")
    assert (seen.strategies[0].shadows, seen.strategies[0].flag_rules) == (
        ("green hears 25 %",),
        ("beta-testers get green",),
    )
    assert {target.health for version in seen.versions for target in version.targets} == {"unchecked"}
