"""One door for every change: what it lets through, refuses, remembers and takes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Conflict, NotFound
from proxy.flags.flagset import Plain, Sources
from proxy.ledger import By
from proxy.overrides import ACTIVE, DRAINED, EVERYWHERE, FLAG, WEIGHT, Value
from proxy.rules import Route, Rules, Service, Version
from proxy.store import Arrived, Change, ColourMove, Load, LoadFlags, Reset, Set, Stale, Store, Undo
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary

ANN = By("ann@desk", "try it", "a ticket")
FILE = By("file", "load rules.yaml")
VERSIONS = {name: Version(targets=(f"http://{name}:80",)) for name in ("blue", "green", "teal")}
API = Route(name="api", canary=Canary(stable="blue", candidate="green", weight=10))


def ruled(active: str = "blue", host: str = "*") -> Rules:
    shop = Service(name="shop", hosts=(host,), versions=VERSIONS, blue_green=BlueGreen(active=active), routes=(API,))
    return Rules(services={"shop": shop})


def colour(store: Store) -> str:
    found = store.state.effective.services["shop"].blue_green
    assert found is not None
    return found.active


@pytest.fixture
def store() -> Store:
    ticks = iter(range(1000, 9999))
    made = Store(lambda: float(next(ticks)))
    made.apply(Load(ruled()), FILE)
    return made


def switch(store: Store, colour: Value = "green", expecting: int | None = None) -> bool:
    return store.apply(Set("shop", ACTIVE, colour), ANN, expecting=expecting) is not None


def test_every_change_counts_the_revision_up_and_is_written_down(store: Store) -> None:
    changed = store.apply(Set("shop", ACTIVE, "green"), ANN, expecting=1)
    assert changed is not None
    assert changed.before.revision == 1
    assert changed.after.revision == store.revision == 2
    assert colour(store) == "green"
    entry = store.ledger.entries[-1]
    assert (entry.who, entry.what, entry.why, entry.when) == ("ann@desk", "try it", "a ticket", 1001.0)
    assert entry.services == ("shop",)


def test_a_change_that_changes_nothing_makes_no_revision(store: Store) -> None:
    switch(store)
    before = store.state, store.ledger.entries
    nothings: list[Change] = [Set("shop", ACTIVE, "green"), Load(ruled()), Arrived("shop")]
    assert [store.apply(change, ANN) for change in nothings] == [None, None, None]
    assert (store.state, store.ledger.entries) == before


def test_a_wrong_expectation_is_a_conflict_that_names_the_present_revision(store: Store) -> None:
    before = store.state
    with pytest.raises(Stale) as refused:
        switch(store, expecting=7)
    assert refused.value.status == 409
    assert refused.value.revision == 1
    assert store.state is before


def test_of_two_that_expect_the_same_revision_only_the_first_gets_in(store: Store) -> None:
    assert switch(store, "green", expecting=1)
    with pytest.raises(Stale):
        switch(store, "teal", expecting=1)
    assert colour(store) == "green"


def test_setting_what_the_rules_say_drops_the_override(store: Store) -> None:
    switch(store, "green")
    switch(store, "blue")
    assert store.state.overrides == ()
    store.apply(Set("shop/api", WEIGHT, 25.0), ANN)
    store.apply(Set("shop/api", WEIGHT, 10.0), ANN)
    assert store.state.overrides == ()


@pytest.mark.parametrize("scope", ["blog", "shop/other", "shop/api"])
def test_an_unknown_scope_is_not_found_and_changes_nothing(store: Store, scope: str) -> None:
    before = store.state
    with pytest.raises(NotFound):
        store.apply(Set(scope, ACTIVE, "green"), ANN)
    assert store.state is before


def test_reset_drops_all_overrides_of_the_service_and_its_routes(store: Store) -> None:
    switch(store)
    store.apply(Set("shop/api", WEIGHT, 25.0), ANN)
    store.apply(Set("shop", f"{DRAINED}teal", value=True), ANN)
    store.apply(Reset("shop"), ANN)
    assert store.state.effective == ruled()
    with pytest.raises(NotFound):
        store.apply(Reset("blog"), ANN)


def test_undo_takes_back_one_verb_after_the_other(store: Store) -> None:
    switch(store, "green")
    switch(store, "teal")
    store.apply(Reset("shop"), ANN)
    seen = []
    for _ in range(3):
        store.apply(Undo(), ANN)
        seen.append(colour(store))
    assert seen == ["teal", "green", "blue"]
    with pytest.raises(Conflict, match="no verb to undo"):
        store.apply(Undo(), ANN)


def test_undo_can_be_kept_to_one_service(store: Store) -> None:
    both = Rules(services={**ruled().services, "blog": replace(ruled().services["shop"], name="blog")})
    store.apply(Load(both), FILE)
    switch(store)
    store.apply(Set("blog", ACTIVE, "teal"), ANN)
    store.apply(Undo("shop"), ANN)
    assert [override.scope for override in store.state.overrides] == ["blog"]


def test_a_change_that_came_from_a_file_is_undone_in_the_file(store: Store) -> None:
    with pytest.raises(Conflict, match="revision 1 came from the rules file: undo it there"):
        store.apply(Undo(), ANN)


def test_a_verb_that_the_file_has_overtaken_is_not_undone_behind_its_back(store: Store) -> None:
    switch(store, "green")
    store.apply(Load(ruled("green")), FILE)
    with pytest.raises(Conflict, match="overtaken"):
        store.apply(Undo(), ANN)
    assert colour(store) == "green"


def test_an_undone_reset_does_not_bring_back_what_the_file_has_overtaken(store: Store) -> None:
    switch(store, "green")
    store.apply(Reset("shop"), ANN)
    store.apply(Load(ruled("teal")), FILE)
    with pytest.raises(Conflict):
        store.apply(Undo(), ANN)
    assert colour(store) == "teal"


def test_a_file_that_says_something_new_ends_the_override_and_says_which(store: Store) -> None:
    switch(store)
    changed = store.apply(Load(ruled("teal")), FILE)
    assert changed is not None
    assert [override.value for override in changed.void] == ["green"]
    assert colour(store) == "teal"


def test_a_change_that_could_not_be_carried_out_leaves_the_former_state_under_a_new_revision(store: Store) -> None:
    switch(store, "teal")
    before = store.state
    changed = store.apply(Set("shop", ACTIVE, "green"), ANN)
    assert changed is not None
    restored = store.restore(changed, "worker 1 could not compile")
    assert restored.revision == 4
    assert (restored.rules, restored.overrides) == (before.rules, before.overrides)
    assert store.ledger.entries[-1].why == "worker 1 could not compile"
    store.apply(Undo(), ANN)
    assert colour(store) == "blue"


def test_an_undo_that_failed_can_be_tried_again(store: Store) -> None:
    switch(store)
    changed = store.apply(Undo(), ANN)
    assert changed is not None
    store.restore(changed, "no")
    assert colour(store) == "green"
    store.apply(Undo(), ANN)
    assert colour(store) == "blue"


def test_a_restart_finds_revision_and_overrides_again(store: Store) -> None:
    switch(store)
    again = Store(lambda: 0.0, store.kept())
    again.apply(Load(ruled(host="other.example")), FILE)
    assert again.revision == 3
    assert colour(again) == "green"


def test_a_lost_state_never_counts_below_what_workers_have_seen() -> None:
    store = Store(lambda: 0.0)
    store.skip_to(41)
    store.apply(Load(ruled()), FILE)
    store.skip_to(7)
    assert store.revision == 42


def test_a_colour_that_is_not_healthy_is_waited_for(store: Store) -> None:
    edited = ruled("green")
    assert store.colour_moves(edited) == (ColourMove("shop", "blue", "green"),)
    store.apply(Load(edited, staying=(("shop", "blue"),)), FILE)
    assert colour(store) == "blue"
    assert store.waiting() == (ColourMove("shop", "blue", "green"),)
    assert store.colour_moves(edited) == ()
    store.apply(Reset("shop"), ANN)
    assert colour(store) == "blue"
    store.apply(Arrived("shop"), FILE)
    assert colour(store) == "green"
    assert store.waiting() == ()


def test_what_is_waited_for_can_be_forced_or_given_up(store: Store) -> None:
    store.apply(Load(ruled("green"), staying=(("shop", "blue"),)), FILE)
    switch(store, "green")
    assert colour(store) == "green"
    assert store.waiting() == ()
    store.apply(Load(ruled("teal"), staying=(("shop", "green"),)), FILE)
    store.apply(Load(ruled("green")), FILE)
    assert colour(store) == "green"
    assert store.waiting() == ()


def test_a_restart_remembers_which_colour_was_in_force(store: Store) -> None:
    again = Store(lambda: 0.0, store.kept())
    assert again.colour_moves(ruled("green")) == (ColourMove("shop", "blue", "green"),)
    assert again.colour_moves(ruled("blue")) == ()


@given(
    changes=st.lists(
        st.sampled_from(
            [
                Set("shop", ACTIVE, "green"),
                Set("shop", ACTIVE, "teal"),
                Set("shop/api", WEIGHT, 50.0),
                Set("shop/api", WEIGHT, 5.0, "rollout"),
                Set("shop", f"{DRAINED}teal", value=True),
                Reset("shop"),
                Undo(),
                Load(ruled("green")),
                Load(ruled("blue", "other.example")),
                Load(ruled("teal"), staying=(("shop", "blue"),)),
            ]
        ),
        max_size=25,
    )
)
def test_whatever_happens_the_revision_never_goes_back_and_a_restart_changes_nothing(changes: list[Change]) -> None:
    store = Store(lambda: 0.0)
    store.apply(Load(ruled()), FILE)
    for change in changes:
        before = store.state
        try:
            changed = store.apply(change, ANN)
        except Conflict:
            changed = None
        assert store.revision == before.revision + (changed is not None)
    again = Store(lambda: 0.0, store.kept())
    again.apply(Load(store.state.rules), FILE)
    assert again.state.effective == store.state.effective


# --- feature flags ------------------------------------------------------------------------


def flags(**texts: str) -> Sources:
    return Sources(plain=tuple(Plain(key, text, "flags") for key, text in texts.items()))


def with_flags(**texts: str) -> Store:
    store = Store(lambda: 1000.0)
    store.apply(LoadFlags(flags(**texts)), FILE)
    return store


def test_a_flag_that_is_set_holds_until_its_file_says_something_new_of_it() -> None:
    store = with_flags(new="10%", theme="dark")
    changed = store.apply(Set(EVERYWHERE, f"{FLAG}new", "50%"), ANN)
    assert changed is not None
    assert (changed.entry.kind, changed.entry.services) == ("verb", ())
    assert store.state.effective_flags.overrides == (("new", "50%"),)
    assert store.state.flags == flags(new="10%", theme="dark")
    store.apply(LoadFlags(flags(new="10%", theme="light")), FILE)
    assert store.state.effective_flags.overrides == (("new", "50%"),)
    void = store.apply(LoadFlags(flags(new="20%", theme="light")), FILE)
    assert void is not None
    assert [override.value for override in void.void] == ["50%"]
    assert store.state.effective_flags == flags(new="20%", theme="light")


def test_setting_what_the_file_says_drops_the_override_and_undo_brings_it_back() -> None:
    store = with_flags(new="10%")
    store.apply(Set(EVERYWHERE, f"{FLAG}new", "50%"), ANN)
    store.apply(Set(EVERYWHERE, f"{FLAG}new", "10%"), ANN)
    assert store.state.overrides == ()
    store.apply(Undo(), ANN)
    assert store.state.effective_flags.overrides == (("new", "50%"),)
    store.apply(Undo(), ANN)
    assert store.state.effective_flags == flags(new="10%")
    with pytest.raises(Conflict):
        store.apply(Undo(), ANN)


def test_a_flag_that_is_set_survives_a_restart_and_new_rules() -> None:
    store = with_flags(new="10%")
    store.apply(Set(EVERYWHERE, f"{FLAG}new", "50%"), ANN)
    again = Store(lambda: 2000.0, store.kept(), flags=flags(new="10%"))
    again.apply(Load(Rules()), FILE)
    assert again.state.effective_flags.overrides == (("new", "50%"),)
    elsewhere = Store(lambda: 2000.0, store.kept(), flags=flags(new="90%"))
    elsewhere.apply(LoadFlags(flags(new="90%", more="true")), FILE)
    assert elsewhere.state.effective_flags == flags(new="90%", more="true")


def test_there_is_no_override_of_a_flag_that_nobody_knows() -> None:
    with pytest.raises(NotFound):
        with_flags(new="10%").apply(Set(EVERYWHERE, f"{FLAG}old", "true"), ANN)
