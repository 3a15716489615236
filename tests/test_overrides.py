"""Law 4, as promises: what an override survives, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import overrides as law
from proxy.conditions import Text, When
from proxy.overrides import ACTIVE, DRAINED, WEIGHT, WEIGHTS, Override
from proxy.rules import Health, Route, Rules, Service, Timeouts, Version
from proxy.strategies.blue_green import BlueGreen, Preview
from proxy.strategies.canary import Canary

COLOURS = ("blue", "green", "teal")
VERSIONS = {name: Version(targets=(f"http://{name}:80", f"http://{name}:81")) for name in COLOURS}


def service(active: str = "blue", weight: float = 10.0, **others: object) -> Service:
    canary = Route(name="api", canary=Canary(stable="blue", candidate="green", weight=weight))
    split = Route(name="split", canary=Canary(weights={"blue": 80, "green": 20}))
    made = Service(
        name="shop", hosts=("*",), versions=VERSIONS, blue_green=BlueGreen(active=active), routes=(canary, split)
    )
    return replace(made, **others)  # type: ignore[arg-type]


def rules(*args: object, **others: object) -> Rules:
    return Rules(services={"shop": service(*args, **others)})  # type: ignore[arg-type]


def colour(rules: Rules) -> str:
    found = rules.services["shop"].blue_green
    assert found is not None
    return found.active


SWITCH = Override("shop", ACTIVE, "green", "blue")
WEIGH = Override("shop/api", WEIGHT, 25.0, ("blue", "green", 10.0))
SPLIT = Override("shop/split", WEIGHTS, (("blue", 50.0), ("green", 50.0)), (("blue", 80.0), ("green", 20.0)))
DRAIN = Override("shop", f"{DRAINED}green", True, False)
DRAIN_ONE = Override("shop", f"{DRAINED}green@http://green:80", True, False)
ALL = (SWITCH, WEIGH, SPLIT, DRAIN, DRAIN_ONE)


def test_every_field_is_folded_in_at_its_scope() -> None:
    applied = law.apply(ALL, rules())
    shop = applied.rules.services["shop"]
    assert applied.valid == ALL
    assert applied.void == ()
    assert colour(applied.rules) == "green"
    assert shop.routes[0].canary == Canary(stable="blue", candidate="green", weight=25.0)
    assert shop.routes[1].canary == Canary(weights={"blue": 50.0, "green": 50.0})
    assert shop.drained == ("green", "green@http://green:80")


def test_without_overrides_the_rules_stay_the_same_object() -> None:
    ruled = rules()
    assert law.apply((), ruled).rules is ruled


@given(value=st.sampled_from(COLOURS), was=st.sampled_from(COLOURS), says=st.sampled_from(COLOURS))
def test_an_override_applies_exactly_while_the_rules_still_say_what_they_said(value: str, was: str, says: str) -> None:
    override = Override("shop", ACTIVE, value, was)
    applied = law.apply([override], rules(says))
    assert colour(applied.rules) == (value if says == was else says)
    assert applied.valid == ((override,) if says == was else ())
    assert applied.void == (() if says == was else (override,))


@given(
    seconds=st.floats(0, 60),
    salt=st.none() | st.text(max_size=5),
    preview=st.none() | st.sampled_from(COLOURS),
    path=st.sampled_from(["/healthz", "/up"]),
    more_targets=st.lists(st.sampled_from(["http://green:82", "http://green:83"]), unique=True),
)
def test_editing_other_settings_moves_no_traffic(
    seconds: float, salt: str | None, preview: str | None, path: str, more_targets: list[str]
) -> None:
    when = When(header={"x-preview": Text(exact="1")})
    blue_green = BlueGreen(active="blue", preview=Preview(version=preview, when=when) if preview else None)
    green = Version(targets=(*VERSIONS["green"].targets, *more_targets))
    edited = rules(
        timeouts=Timeouts(connect=seconds),
        salt=salt,
        blue_green=blue_green,
        health=Health(path=path),
        versions={**VERSIONS, "green": green},
    )
    applied = law.apply(ALL, edited)
    assert applied.valid == ALL
    assert colour(applied.rules) == "green"
    assert applied.rules.services["shop"].routes == law.apply(ALL, rules()).rules.services["shop"].routes


@given(
    chosen=st.lists(st.sampled_from(ALL), unique=True),
    active=st.sampled_from(COLOURS),
    weight=st.sampled_from([0.0, 10.0, 30.0]),
    present=st.sets(st.sampled_from(COLOURS), min_size=1),
)
def test_applying_what_was_valid_once_more_changes_nothing(
    chosen: list[Override], active: str, weight: float, present: set[str]
) -> None:
    ruled = rules(active, weight, versions={name: VERSIONS[name] for name in present})
    once = law.apply(chosen, ruled)
    again = law.apply(once.valid, ruled)
    assert again.rules == once.rules
    assert again.valid == once.valid
    assert again.void == ()
    assert set(once.valid) | set(once.void) == set(chosen)


@given(order=st.permutations(ALL))
def test_the_order_in_which_fields_were_set_does_not_matter(order: list[Override]) -> None:
    drained = law.apply(order, rules()).rules.services["shop"].drained
    assert sorted(drained) == ["green", "green@http://green:80"]
    assert colour(law.apply(order, rules()).rules) == "green"


def test_the_later_of_two_for_the_same_field_wins() -> None:
    teal = replace(SWITCH, value="teal")
    applied = law.apply([SWITCH, teal], rules())
    assert colour(applied.rules) == "teal"
    assert applied.valid == (teal,)


@pytest.mark.parametrize("override", [WEIGH, replace(WEIGH, value=10.0)])
def test_a_weight_never_falls_to_another_candidate_than_it_was_given_for(override: Override) -> None:
    swapped = Route(name="api", canary=Canary(stable="blue", candidate="teal", weight=10))
    applied = law.apply([override], rules(routes=(swapped,)))
    assert applied.void == (override,)
    assert applied.rules.services["shop"].routes == (swapped,)


@pytest.mark.parametrize(
    ("override", "ruled"),
    [
        (SWITCH, Rules()),
        (SWITCH, rules(versions={"blue": VERSIONS["blue"]})),
        (SWITCH, rules(blue_green=None)),
        (WEIGH, rules(routes=())),
        (WEIGH, rules(routes=(Route(name="api"),))),
        (SPLIT, rules(versions={"blue": VERSIONS["blue"]})),
        (DRAIN, rules(versions={"blue": VERSIONS["blue"]})),
        (DRAIN_ONE, rules(versions={**VERSIONS, "green": Version(targets=("http://green:81",))})),
        (DRAIN, rules(drained=("green",))),
        (Override("shop/api", f"{DRAINED}green", True, False), rules()),
    ],
)
def test_an_override_on_something_that_vanished_is_void(override: Override, ruled: Rules) -> None:
    applied = law.apply([override], ruled)
    assert applied.void == (override,)
    assert applied.rules == ruled


def test_what_the_rules_drain_can_be_brought_back() -> None:
    back = Override("shop", f"{DRAINED}green", False, True)
    assert law.apply([back], rules(drained=("green", "blue"))).rules.services["shop"].drained == ("blue",)
