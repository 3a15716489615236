"""Flags: the first that matches says the version, and chance has no part in it."""

from __future__ import annotations

from random import Random

from proxy.conditions import Text, When
from proxy.flags.asker import Asker
from proxy.flags.flagset import Document, Sources, compiled
from proxy.model import Choice, Request
from proxy.strategies.flags import Flag, chooser
from proxy.strategies.sticky import Ground

DICE = Random(1)


def header(name: str) -> When:
    return When(header={name: Text(present=True)})


def test_the_first_match_wins() -> None:
    flags = (
        Flag(name="one", when=header("x-one"), version="v1"),
        Flag(name="two", when=header("x-two"), version="v2"),
    )
    choose = chooser(flags, Ground("shop"))
    assert choose is not None
    both = Request.of(headers=[("x-two", ""), ("x-one", "")])
    assert choose(both, None, DICE) == Choice("v1", "flag:one")
    assert choose(Request.of(headers=[("x-two", "")]), None, DICE) == Choice("v2", "flag:two")
    assert choose(Request.of(), None, DICE) is None


def test_a_percentage_picks_other_people_for_each_flag_and_always_the_same() -> None:
    def picked(name: str) -> set[int]:
        choose = chooser((Flag(name=name, when=When(percent=30), version="v2"),), Ground("shop"))
        assert choose is not None
        return {number for number in range(2000) if choose(Request.of(), b"%d" % number, DICE)}

    assert picked("one") == picked("one")
    assert 450 < len(picked("one")) < 750
    assert 90 < len(picked("one") & picked("two")) < 270


def test_a_feature_flag_is_decided_for_the_identity() -> None:
    flags = (Flag(name="checkout", when=When(flag={"new-checkout": "on"}), version="v2"),)
    targeting = {"if": [{"===": [{"var": "targetingKey"}, "alice"]}, "on", "off"]}
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "targeting": targeting}
    found = compiled(Sources(documents=(Document("d", {"flags": {"new-checkout": flag}}),)))
    choose = chooser(flags, Ground("shop", Asker(found, lambda: 0.0)))
    assert choose is not None
    assert choose(Request.of(), b"alice", DICE) == Choice("v2", "flag:checkout")
    assert choose(Request.of(), b"bob", DICE) is None


def test_no_flags_make_no_chooser() -> None:
    assert chooser((), Ground("shop")) is None
    assert chooser(None, Ground("shop")) is None
