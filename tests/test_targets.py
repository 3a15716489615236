"""Targets: who is claimed, who rests, and what a table that changes does not change."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rules import Eject
from proxy.targets import Address, Fleet, Registry, Target, hash_rank

NOW = 1000.0


def fleet(count: int, balance: str = "least_busy", eject: Eject | None = None) -> Fleet:
    targets = tuple(Target("shop", "v1", Address("http", f"10.0.0.{number}", 80)) for number in range(count))
    return Fleet("shop", "v1", targets, balance=balance, eject=eject)


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("http://a:8080", Address("http", "a", 8080), "http://a:8080"),
        ("http://a", Address("http", "a", 80), "http://a:80"),
        ("http://a/", Address("http", "a", 80), "http://a:80"),
        ("http://[::1]:81", Address("http", "::1", 81), "http://[::1]:81"),
        ("unix:///run/a.sock", Address("http", "localhost", 80, "/run/a.sock"), "unix:///run/a.sock"),
    ],
)
def test_an_address_is_shown_as_it_is_written(text: str, address: Address, shown: str) -> None:
    assert Address.parse(text) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:80",
        "https://a",
        "ftp://a",
        "http://",
        "http://a/path",
        "http://a?q",
        "http://u@a",
        "unix://",
        "http://a:x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Address.parse(text)


@pytest.mark.parametrize("balance", ["least_busy", "round_robin", "hash"])
@given(claims=st.integers(1, 50), seed=st.integers(0, 9))
def test_every_claim_counts_in_once_and_every_release_counts_out(balance: str, claims: int, seed: int) -> None:
    some, dice = fleet(3, balance), random.Random(seed)
    taken = [some.claim(NOW, dice, key=number) for number in range(claims)]
    assert some.in_flight == claims
    for target in taken:
        assert target is not None
        target.release()
    assert some.in_flight == 0


def test_the_less_busy_of_two_is_claimed() -> None:
    some, dice = fleet(2), random.Random(1)
    some.targets[0].in_flight = 5
    for _ in range(5):
        assert some.claim(NOW, dice) is some.targets[1]


def test_busy_targets_end_up_nearly_even() -> None:
    some, dice = fleet(10), random.Random(1)
    for _ in range(1000):
        some.claim(NOW, dice)
    assert max(target.in_flight for target in some.targets) - min(target.in_flight for target in some.targets) <= 6


def test_round_robin_takes_turns() -> None:
    some, dice = fleet(3, "round_robin"), random.Random(1)
    for _ in range(9):
        some.claim(NOW, dice)
    assert [target.in_flight for target in some.targets] == [3, 3, 3]


@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_a_hash_moves_only_the_share_of_the_target_that_left(key: int, count: int) -> None:
    before, after = fleet(count, "hash"), fleet(count, "hash")
    dice = random.Random(1)
    claimed = before.claim(NOW, dice, key=key)
    assert claimed is not None
    leaves = random.Random(key).randrange(count)
    after.targets[leaves].healthy = False
    now_claimed = after.claim(NOW, dice, key=key)
    assert now_claimed is not None
    if claimed is not before.targets[leaves]:
        assert now_claimed.address == claimed.address


def test_a_hash_spreads_identities_evenly() -> None:
    some = fleet(4, "hash")
    for key in range(0, 2**32, 2**32 // 4000):
        some.claim(NOW, random.Random(1), key=key)
    assert all(800 < target.in_flight < 1200 for target in some.targets)
    assert hash_rank(1, some.targets[0].address) == hash_rank(1, Address("http", "10.0.0.0", 80))


def test_who_was_tried_is_avoided_while_there_is_another() -> None:
    some, dice = fleet(2), random.Random(1)
    for _ in range(20):
        assert some.claim(NOW, dice, avoid=[some.targets[0]]) is some.targets[1]
    assert some.claim(NOW, dice, avoid=some.targets) is not None


def test_an_unhealthy_target_is_claimed_only_in_a_panic() -> None:
    some, dice = fleet(2), random.Random(1)
    for target in some.targets:
        target.set_healthy(NOW, healthy=False)
    assert not some.has_usable(NOW)
    assert some.claim(NOW, dice) is None
    assert some.claim_any(NOW, dice) is not None


def test_a_version_without_targets_has_nobody_to_claim() -> None:
    some, dice = fleet(0), random.Random(1)
    assert some.claim(NOW, dice) is None
    assert some.claim_any(NOW, dice) is None


# --- rest ---------------------------------------------------------------------------------------


def test_failures_in_a_row_send_a_target_to_rest_and_time_brings_it_back() -> None:
    some = fleet(2, eject=Eject(after=3, for_=10))
    bad = some.targets[0]
    assert [some.failed(bad, NOW) for _ in range(3)] == [False, False, True]
    assert not bad.is_usable(NOW + 9.9)
    assert bad.is_usable(NOW + 10)


def test_an_answer_ends_the_row_of_failures() -> None:
    some = fleet(2, eject=Eject(after=2))
    bad = some.targets[0]
    for _ in range(5):
        assert not some.failed(bad, NOW)
        some.succeeded(bad)


def test_each_rest_is_longer_than_the_one_before() -> None:
    some = fleet(2, eject=Eject(after=1, for_=10))
    bad, now, rests = some.targets[0], NOW, []
    for _ in range(4):
        assert some.failed(bad, now)
        rests.append(bad.ejected_until - now)
        now = bad.ejected_until
    assert rests == [10, 20, 30, 40]


def test_a_long_good_time_makes_the_next_rest_short_again() -> None:
    some = fleet(2, eject=Eject(after=1, for_=10))
    bad = some.targets[0]
    some.failed(bad, NOW)
    assert some.failed(bad, NOW + 1000)
    assert bad.ejected_until == NOW + 1010


@given(st.integers(1, 8), st.integers(0, 100), st.lists(st.integers(0, 7), max_size=60))
def test_never_the_last_target_and_never_more_than_the_share(count: int, most: int, failures: list[int]) -> None:
    some = fleet(count, eject=Eject(after=1, max=most))
    for number in failures:
        some.failed(some.targets[number % count], NOW)
        resting = sum(target.ejected_until > NOW for target in some.targets)
        assert some.has_usable(NOW)
        assert resting * 100 <= most * count


def test_a_request_that_all_others_failed_tries_a_resting_target_too() -> None:
    some, dice = fleet(2, eject=Eject(after=1)), random.Random(1)
    resting, dead = some.targets
    assert some.failed(resting, NOW)
    assert some.claim(NOW, dice) is dead
    assert some.claim(NOW, dice, avoid=[dead]) is resting
    assert some.claim(NOW, dice, avoid=[dead, resting]) is dead


def test_a_target_that_active_checks_found_down_is_not_tried_while_another_is_up() -> None:
    some, dice = fleet(2), random.Random(1)
    down, up = some.targets
    down.set_healthy(NOW, healthy=False)
    assert some.claim(NOW, dice, avoid=[up]) is up


@pytest.mark.parametrize(("seconds", "least", "most"), [(0, 0.05, 0.15), (5, 0.28, 0.39), (10, 0.45, 0.55)])
def test_who_comes_back_starts_slowly_and_never_with_nothing(seconds: float, least: float, most: float) -> None:
    some, dice = fleet(2), random.Random(1)
    back, _ = some.targets
    back.set_healthy(NOW - 60, healthy=False)
    back.set_healthy(NOW, healthy=True)
    claimed = 0
    for _ in range(4000):
        chosen = some.claim(NOW + seconds, dice)
        assert chosen is not None
        claimed += chosen is back
        chosen.release()
    assert least <= claimed / 4000 <= most


# --- registry -----------------------------------------------------------------------------------


def test_a_target_that_is_named_again_is_the_same_one() -> None:
    registry, address = Registry(), Address("http", "a", 80)
    target = registry.target("shop", "v1", address)
    assert registry.target("shop", "v1", address) is target
    assert registry.target("shop", "v2", address) is not target


def test_a_target_that_nobody_wants_is_retired_and_forgotten() -> None:
    registry, address = Registry(), Address("http", "a", 80)
    gone, kept = registry.target("shop", "v1", address), registry.target("shop", "v2", address)
    assert registry.retain([kept]) == [gone]
    assert (gone.is_retired, kept.is_retired) == (True, False)
    assert registry.target("shop", "v1", address) is not gone
