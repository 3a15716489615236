"""Feature flags through the one door: files, people and rollouts, each acknowledged, written down and taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control.fake_planes import FakeHealth, FakePlanes, rules
from proxy.conditions import When
from proxy.control import verbs
from proxy.control.admin.views import status
from proxy.control.changes import Former, Loaded, Surroundings
from proxy.control.door import Control
from proxy.control.flag_sets import FlagSets
from proxy.control.state import MemoryState
from proxy.errors import Conflict, Invalid, NotFound
from proxy.flags.flag import Context
from proxy.flags.flagset import NO_FLAGS, Document, Plain, Sources, assign, compiled
from proxy.ledger import By
from proxy.overrides import EVERYWHERE, WEIGHT
from proxy.rules import Rules
from proxy.store import Set
from proxy.strategies.canary import Canary
from proxy.strategies.flags import Flag

ANN = By("ann@desk", "flag set", "a ticket")
CHECKOUT = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "targeting": {"if": [{"===": [{"var": "plan"}, "pro"]}, "on", None]},
}


def flags(new: str = "10%", **more: str) -> Sources:
    plain = {"new": new, **more}
    return Sources(
        plain=tuple(Plain(key, text, "flags") for key, text in plain.items()),
        documents=(Document("d.flagd.json", {"flags": {"checkout": CHECKOUT}}),),
    )


def driven() -> Rules:
    """Rules whose `shop/api` is split by the flag `new`."""
    present = rules()
    shop = present.services["shop"]
    api = replace(shop.routes[0], canary=Canary(stable="blue", candidate="green", flag="new"))
    shop = replace(shop, routes=(api, *shop.routes[1:]))
    return Rules(services={**present.services, "shop": shop})


@pytest.fixture
async def flagged(planes: FakePlanes, health: FakeHealth) -> Control:
    control = Control(planes, Surroundings(probe=health, wall=lambda: 1000.0))
    await control.start(driven(), "rules.yaml", flags=Loaded(flags(), "flags"))
    return control


async def test_rules_and_flags_begin_as_one_revision(flagged: Control, planes: FakePlanes) -> None:
    assert (planes.published[0][0], len(planes.published)) == (1, 1)
    assert planes.flags == flags()
    assert flagged.flags.current.sources == flags()


async def test_new_flags_are_a_revision_that_every_worker_acknowledges(flagged: Control, planes: FakePlanes) -> None:
    receipt = await flagged.reload_flags(flags(new="20%"), "flags")
    assert receipt is not None
    assert (receipt.revision, receipt.acknowledged) == (2, (0, 1))
    assert planes.flags == flags(new="20%")
    assert await flagged.reload_flags(flags(new="20%"), "flags") is None
    assert [entry.what for entry in flagged.store.ledger.entries] == ["load rules.yaml", "load flags"]


async def test_broken_flag_files_leave_the_last_good_flags_and_show(flagged: Control) -> None:
    flagged.refuse_flags(["flags/x.flagd.json:1: is not JSON"])
    assert flagged.condition.flag_faults == ("flags/x.flagd.json:1: is not JSON",)
    assert flagged.flags.current.sources == flags()
    await flagged.reload_flags(flags(), "flags")
    assert flagged.condition.flag_faults == ()


async def test_a_flag_is_set_cleared_and_undone(flagged: Control, planes: FakePlanes) -> None:
    answer = await flagged.set_flag("new", "50%", ANN)
    assert (answer.revision, answer.acknowledged_workers) == (2, (0, 1))
    assert planes.flags.overrides == (("new", "50%"),)
    entry = flagged.store.ledger.entries[-1]
    assert (entry.who, entry.what, entry.why, entry.kind) == ("ann@desk", "flag set", "a ticket", "verb")
    assert not (await flagged.set_flag("new", "50%", ANN)).changed
    await flagged.set_flag("new", None, ANN)
    assert planes.flags == flags()
    await flagged.undo(ANN)
    assert planes.flags.overrides == (("new", "50%"),)
    await flagged.undo(ANN)
    assert planes.flags == flags()


async def test_a_flagd_flag_can_be_set_to_a_variant_a_value_or_a_percentage(flagged: Control) -> None:
    for text, value in (("on", True), ("false", False), ("100%", True)):
        await flagged.set_flag("checkout", text, ANN)
        assert assign(flagged.flags.current, "checkout", Context("ann")).value is value
    await flagged.set_flag("checkout", None, ANN)
    assert assign(flagged.flags.current, "checkout", Context("ann")).reason == "DEFAULT"


async def test_what_cannot_be_is_refused_and_changes_nothing(flagged: Control, planes: FakePlanes) -> None:
    with pytest.raises(NotFound, match="there is no flag old; there are: checkout, new"):
        await flagged.set_flag("old", "true", ANN)
    with pytest.raises(Invalid, match="can be set to on, off"):
        await flagged.set_flag("checkout", "purple", ANN)
    with pytest.raises(Invalid):
        await flagged.set_flag("new", "140%", ANN)
    with pytest.raises(Conflict):
        await flagged.set_flag("new", "50%", ANN, expecting=7)
    assert len(planes.published) == 1


async def test_what_was_set_outlives_a_restart_until_its_file_says_something_new(
    planes: FakePlanes, health: FakeHealth
) -> None:
    state = MemoryState()
    around = Surroundings(probe=health, wall=lambda: 1000.0)
    first = Control(planes, around, state)
    await first.start(driven(), "rules.yaml", flags=Loaded(flags(), "flags"))
    await first.set_flag("new", "50%", ANN)
    again = Control(planes, around, state)
    await again.start(driven(), "rules.yaml", flags=Loaded(flags(theme="dark"), "flags"))
    assert planes.flags.overrides == (("new", "50%"),)
    await again.reload_flags(flags(new="30%"), "flags")
    assert planes.flags == flags(new="30%")


async def test_one_that_comes_back_knows_the_former_flags_and_is_at_the_same_revision(
    planes: FakePlanes, health: FakeHealth
) -> None:
    state, kept = MemoryState(), bytearray()

    def keep(content: bytes) -> None:
        kept[:] = content

    around = Surroundings(probe=health, wall=lambda: 1000.0)
    first = Control(planes, around, state, FlagSets(keep))
    await first.start(driven(), "rules.yaml", flags=Loaded(flags(), "flags"))
    await first.reload_flags(flags(new="20%"), "flags")
    await first.set_flag("new", "50%", ANN)
    again = Control(planes, around, state, FlagSets())
    former = Former(driven(), await again.flags.find_again(bytes(kept)))
    loaded = Loaded(flags(new="20%"), "flags")
    await again.start(driven(), "rules.yaml", flags=loaded, seen_revision=3, former=former)
    assert again.store.revision == first.store.revision
    assert again.store.state.overrides == first.store.state.overrides
    answerable = {each.revision for each in first.flags.history.remembered}
    assert answerable <= {each.revision for each in again.flags.history.remembered} | {FlagSets().current.revision}


async def test_applications_may_ask_for_a_revision_before_the_first_worker_has_it(health: FakeHealth) -> None:
    known: list[bool] = []

    class Asking(FakePlanes):
        async def publish(self, revision: int, rules: Rules, flags: Sources = NO_FLAGS) -> object:  # type: ignore[override]
            known.append(control.flags.history.at(flags.revision).revision == flags.revision)
            return await super().publish(revision, rules, flags)

    control = Control(Asking(), Surroundings(probe=health, wall=lambda: 1000.0))  # type: ignore[arg-type]
    await control.start(driven(), "rules.yaml", flags=Loaded(flags(), "flags"))
    await control.reload_flags(flags(new="20%"), "flags")
    await control.set_flag("new", "70%", ANN)
    assert known == [True] * 3


# --- flags that draw ----------------------------------------------------------------------


async def test_a_flag_that_draws_takes_nothing_that_would_silently_take_the_candidate_from_everybody(
    flagged: Control, planes: FakePlanes
) -> None:
    with pytest.raises(
        Invalid, match="new draws for shop/api: it can be set to true, false or a percentage, not to 'ba"
    ):
        await flagged.set_flag("new", "banana", ANN)
    assert len(planes.published) == 1
    for text in ("off", "25 %", "100%", "0%"):
        assert (await flagged.set_flag("new", text, ANN)).changed


def test_a_flagd_flag_that_draws_can_be_set_to_its_boolean_variants_only() -> None:
    mixed = {"state": "ENABLED", "variants": {"all": True, "none": False, "odd": "x"}, "defaultVariant": "none"}
    sources = Sources(documents=(Document("d.flagd.json", {"flags": {"mixed": mixed}}),))
    with pytest.raises(Invalid, match="it can be set to all, none, not to 'odd'"):
        verbs.flip(compiled(sources), "mixed", "odd", ["shop"])
    assert verbs.flip(compiled(sources), "mixed", "odd").value == "odd"
    assert verbs.flip(compiled(sources), "mixed", "all", ["shop"]).value == "all"


async def test_the_share_of_a_canary_by_flag_is_the_flags(flagged: Control) -> None:
    (api,) = [policy for scope, policy in verbs.strategies(driven().services["shop"]) if scope == "shop/api"]
    assert verbs.shares(api, flagged.flags.current) == {"blue": 90.0, "green": 10.0}
    await flagged.set_flag("new", "true", ANN)
    assert verbs.shares(api, flagged.flags.current) == {"blue": 0.0, "green": 100.0}
    by_targeting = replace(api, canary=Canary(stable="blue", candidate="green", flag="checkout"))
    assert verbs.shares(by_targeting, flagged.flags.current) == {}
    with pytest.raises(Conflict, match="flag new draws for shop/api: set it"):
        await flagged.weight("shop/api", ANN, weight=20)


async def test_a_rollout_moves_the_flag_where_a_flag_draws_and_the_weight_elsewhere(flagged: Control) -> None:
    assert verbs.step(driven(), "shop/api", 12.5) == Set(EVERYWHERE, "flag:new", "12.5%", "rollout")
    assert verbs.step(rules(), "shop/api", 12.5) == Set("shop/api", WEIGHT, 12.5, "rollout")
    busy = replace(flagged.around, busy=lambda scope: "a rollout is running" if scope == "shop/api" else None)
    flagged.around = busy
    with pytest.raises(Conflict, match="a rollout is running"):
        await flagged.set_flag("new", "50%", ANN)
    assert (await flagged.set_flag("checkout", "on", ANN)).changed


async def test_the_status_names_the_flags_of_the_rules_that_no_file_defines(
    planes: FakePlanes, health: FakeHealth
) -> None:
    present = driven()
    asked = (Flag(name="beta", when=When(flag={"chekout": "on", "checkout": "on"}), version="green"),)
    shop = replace(present.services["shop"], flags=asked, flag_headers=("theme", "new"))
    control = Control(planes, Surroundings(probe=health, wall=lambda: 1000.0))
    await control.start(
        Rules(services={**present.services, "shop": shop}), "rules.yaml", flags=Loaded(flags(), "flags")
    )
    assert {one.name: one.undefined_flags for one in status(control, lambda *_: "up").services} == {
        "blog": (),
        "shop": ("chekout", "theme"),
    }
