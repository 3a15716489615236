"""Bucketing: shares are what they say, and nobody is moved without need."""

from __future__ import annotations

import pytest

from proxy.flags.bucketing import HASHES, Split, Version, hash_of, hasher

KEYS = [f"user-{n}" for n in range(20_000)]


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_hashes_are_spread_evenly(version: Version) -> None:
    hash_key = hasher("new-checkout", version)
    below = sum((hash_key(key) or 0) < HASHES / 10 for key in KEYS)
    assert abs(below - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5


def test_two_flags_pick_different_people() -> None:
    one, other = hasher("one", "v3"), hasher("other", "v3")
    both = sum((one(key) or 0) < HASHES / 2 and (other(key) or 0) < HASHES / 2 for key in KEYS)
    assert abs(both - 5000) < 4 * (20_000 * 0.25 * 0.75) ** 0.5


def test_whoever_has_no_key_has_no_bucket() -> None:
    for version in ("v2", "v3"):
        assert hasher("f", version)(None) is None
        assert hasher("f", version)("") is None
        assert hasher("f", version)(7) is None
        assert hash_of(None, version) is None


def test_a_key_that_is_no_text_has_a_bucket_only_in_v3() -> None:
    assert hash_of(7, "v3") == hash_of(7.0, "v3")
    assert hash_of({"a": 1, "b": 2}, "v3") == hash_of({"b": 2, "a": 1}, "v3")
    assert hash_of(7, "v2") is None


def test_a_key_with_half_a_character_has_no_bucket() -> None:
    assert hash_of("\ud800", "v3") is None
    assert hasher("f", "v3")("\ud800") is None


def test_a_weight_of_zero_gets_nobody() -> None:
    split = Split([0, 1, 0, 3, 0])
    assert {split.part(hashed) for hashed in range(0, HASHES, HASHES // 1000)} == {1, 3}
    assert split.part(HASHES - 1) == 3


@pytest.mark.parametrize("weights", [[], [0, 0], [-1], [2**31], [2**30, 2**30]])
def test_weights_that_make_no_sense_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="the weights sum up to"):
        Split(weights)
