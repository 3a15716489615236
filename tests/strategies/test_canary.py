"""Canary: shares are exact, and a growing weight never takes anybody back."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Invalid
from proxy.flags.asker import Asker
from proxy.flags.flagset import Plain, Sources, compiled
from proxy.model import Request
from proxy.strategies.canary import Canary, chooser, shares
from proxy.strategies.sticky import Choose, Ground

REQUEST = Request.of()
DICE = Random(7)
SHOP, BLOG = Ground("shop"), Ground("blog")


def split(weight: float, ground: Ground = SHOP) -> Choose:
    choose = chooser(Canary(stable="v1", candidate="v2", weight=weight), ground)
    assert choose is not None
    return choose


def weighted(weights: dict[str, float]) -> Choose:
    choose = chooser(Canary(weights=weights), SHOP)
    assert choose is not None
    return choose


def drawn(choose: Choose, identity: bytes | None) -> str:
    choice = choose(REQUEST, identity, DICE)
    assert choice is not None
    return choice.version


def is_within_four_sigma(found: int, share: float, of: int) -> bool:
    return abs(found - share * of) <= 4 * sqrt(of * share * (1 - share))


def test_a_million_identities_fall_as_the_weight_says_and_a_growing_weight_never_takes_anybody_back() -> None:
    identities = [b"user-%d" % number for number in range(1_000_000)]
    had_it = frozenset[bytes]()
    for weight in (0.1, 1, 10, 50):
        choose = split(weight)
        have_it = frozenset(each for each in identities if choose(REQUEST, each, DICE).version == "v2")  # type: ignore[union-attr]
        assert is_within_four_sigma(len(have_it), weight / 100, len(identities))
        assert had_it <= have_it
        had_it = have_it


@given(st.floats(0, 100), st.floats(0, 100), st.lists(st.binary(min_size=1), min_size=1, max_size=20))
def test_a_weight_that_grows_only_gives_and_one_that_shrinks_only_takes(
    one: float, other: float, identities: list[bytes]
) -> None:
    less, more = split(min(one, other)), split(max(one, other))
    for identity in identities:
        assert drawn(less, identity) == "v1" or drawn(more, identity) == "v2"


def test_from_one_to_a_hundred_percent_nobody_leaves_the_candidate() -> None:
    steps = [split(weight) for weight in range(1, 101)]
    for number in range(2_000):
        ways = [drawn(choose, b"%d" % number) for choose in steps]
        assert ways == sorted(ways)
        assert ways[-1] == "v2"


def test_the_same_people_do_not_go_first_in_two_services() -> None:
    one, other = split(50, SHOP), split(50, BLOG)
    identities = [b"user-%d" % number for number in range(200_000)]
    both = Counter((drawn(one, each), drawn(other, each)) for each in identities)
    for pair in ("v1", "v1"), ("v1", "v2"), ("v2", "v1"), ("v2", "v2"):
        assert is_within_four_sigma(both[pair], 0.25, len(identities))


def test_without_identity_each_request_is_drawn_on_its_own() -> None:
    choose = split(10)
    found = Counter(drawn(choose, None) for _ in range(50_000))
    assert is_within_four_sigma(found["v2"], 0.1, 50_000)
    choice = choose(REQUEST, None, DICE)
    assert choice is not None
    assert (choice.bucket, choice.randomised, choice.weight) == (None, True, 0.1)


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        (Canary(stable="v1", candidate="v2", weight=0), "v1"),
        (Canary(stable="v1", candidate="v2", weight=100), "v2"),
        (Canary(weights={"v1": 0, "v2": 3}), "v2"),
    ],
)
def test_where_one_version_has_everything_nothing_is_randomised(settings: Canary, version: str) -> None:
    choose = chooser(settings, SHOP)
    assert choose is not None
    choice = choose(REQUEST, b"alice", DICE)
    assert choice is not None
    assert (choice.version, choice.reason, choice.randomised) == (version, "canary", False)


def test_a_choice_says_where_the_identity_fell_and_the_share() -> None:
    choice = split(25)(REQUEST, b"alice", DICE)
    assert choice is not None
    assert choice.bucket is not None
    assert (choice.weight, choice.version) == (0.25, "v2" if choice.bucket < 0.25 * 2**32 else "v1")


# --- several versions ---------------------------------------------------------------------


@pytest.mark.parametrize("identified", [True, False])
def test_several_weights_are_shares_of_their_sum(identified: bool) -> None:
    choose = weighted({"blue": 8, "green": 1.5, "next": 0.5})
    found = Counter(drawn(choose, b"user-%d" % number if identified else None) for number in range(100_000))
    for version, share in {"blue": 0.8, "green": 0.15, "next": 0.05}.items():
        assert is_within_four_sigma(found[version], share, 100_000)


WEIGHTS = st.floats(0.1, 1000)


@given(WEIGHTS, WEIGHTS, WEIGHTS, st.floats(1, 100))
def test_of_several_the_one_that_grows_only_takes_and_the_one_that_shrinks_only_gives(
    blue: float, green: float, following: float, factor: float
) -> None:
    before = weighted({"blue": blue, "green": green, "next": following})
    after = weighted({"blue": blue, "green": green * factor, "next": following})
    for number in range(50):
        was, now = drawn(before, b"%d" % number), drawn(after, b"%d" % number)
        assert now in (was, "green")


def test_the_order_in_which_versions_are_written_moves_nobody() -> None:
    one, other = weighted({"a": 5, "b": 3, "c": 2}), weighted({"c": 2, "a": 5, "b": 3})
    assert all(drawn(one, b"%d" % number) == drawn(other, b"%d" % number) for number in range(500))


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [Canary(), Canary(stable="v1"), Canary(weights={"v1": 0, "v2": 0}), Canary(stable="v1", candidate="v1", weight=5)],
)
def test_nothing_to_share_out_is_refused(settings: Canary) -> None:
    with pytest.raises(Invalid, match="canary"):
        shares(settings)


def test_no_settings_make_no_chooser() -> None:
    assert chooser(None, SHOP) is None


# --- by a flag ----------------------------------------------------------------------------


def by_flag(text: str) -> Choose:
    flags = Asker(compiled(Sources(plain=(Plain("new", text, ""),))), lambda: 0.0)
    choose = chooser(Canary(stable="v1", candidate="v2", flag="new"), Ground("shop", flags))
    assert choose is not None
    return choose


def test_whoever_has_the_flag_on_gets_the_candidate_and_a_growing_flag_never_takes_anybody_back() -> None:
    identities = [b"user-%d" % number for number in range(10_000)]
    had_it = frozenset[bytes]()
    for percent in (1, 10, 10.5, 50, 99, 100):
        choose = by_flag(f"{percent}%")
        have_it = frozenset(each for each in identities if drawn(choose, each) == "v2")
        assert had_it <= have_it
        assert is_within_four_sigma(len(have_it), percent / 100, len(identities))
        had_it = have_it
    assert len(had_it) == len(identities)


def test_only_what_a_percentage_decided_is_compared() -> None:
    thirds = by_flag("33.333333333333333%")
    assert len({choice.weight for n in range(100) if (choice := thirds(REQUEST, b"%d" % n, DICE)) is not None}) == 1
    for number in range(100):
        choice = by_flag("10%")(REQUEST, b"%d" % number, DICE)
        assert choice is not None
        assert (choice.randomised, choice.weight, choice.reason) == (True, 0.1, "canary")
        assert choice.bucket is not None
    for text in ("true", "false", "0%", "100%", "dark"):
        choice = by_flag(text)(REQUEST, b"ann", DICE)
        assert choice is not None
        assert not choice.randomised
        assert (choice.version == "v2") == (text in ("true", "100%"))


def test_without_identity_without_flags_or_without_that_flag_stable_answers() -> None:
    elsewhere = Ground("shop", Asker(compiled(Sources()), lambda: 0.0))
    nobody = chooser(Canary(stable="v1", candidate="v2", flag="new"), elsewhere)
    bare = chooser(Canary(stable="v1", candidate="v2", flag="new"), SHOP)
    assert nobody is not None
    assert bare is not None
    assert [drawn(by_flag("50%"), None), drawn(nobody, b"ann"), drawn(bare, b"ann")] == ["v1"] * 3
