"""Semantic versions compare as semver.org says."""

from __future__ import annotations

import itertools

import pytest

from proxy.flags.semver import Semver, compares

# semver.org §11.4: each is lower than the next.
ORDERED = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
]


def test_the_order_of_the_specification_holds() -> None:
    for lower, higher in itertools.combinations(map(Semver.parse, ORDERED), 2):
        assert compares(lower, "<", higher)
        assert compares(higher, ">=", lower)
        assert not compares(lower, "=", higher)


@pytest.mark.parametrize(
    ("partial", "meant"), [("1", "1.0.0"), ("v1.2", "1.2.0"), ("2-rc.1", "2.0.0-rc.1"), ("1.2.3+b", "1.2.3")]
)
def test_missing_parts_are_zero_and_builds_do_not_count(partial: str, meant: str) -> None:
    assert Semver.parse(partial) == Semver.parse(meant)


@pytest.mark.parametrize("wrong", ["", "x", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1." * 200])
def test_what_is_no_version_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="version"):
        Semver.parse(wrong)


def test_a_caret_keeps_the_major_and_a_tilde_the_minor_version() -> None:
    mine = Semver.parse("1.2.9")
    assert compares(mine, "^", Semver.parse("1.9.0"))
    assert not compares(mine, "^", Semver.parse("2.0.0"))
    assert compares(mine, "~", Semver.parse("1.2.0"))
    assert not compares(mine, "~", Semver.parse("1.3.0"))
    assert compares(mine, "=>", mine) is None
