"""Flag sets: one revision for one content, and the last four of them answerable."""

from __future__ import annotations

import pickle

import pytest

from proxy.errors import Invalid
from proxy.flags.fault import BrokenFlags
from proxy.flags.flag import Context
from proxy.flags.flagset import Document, FlagSet, History, Plain, Sources, assign, compiled, compiling
from proxy.flags.pin import pinned

ALICE = Context("alice", {"plan": "pro"})
TARGETED = {
    "state": "ENABLED",
    "variants": {"yes": True, "no": False},
    "defaultVariant": "no",
    "targeting": {"if": [{"==": [{"var": "plan"}, "pro"]}, "yes"]},
    "metadata": {"owner": "a"},
}
COLOURS = {"state": "DISABLED", "variants": {"red": "#f00", "blue": "#00f"}, "defaultVariant": "red"}
DOCUMENT = Document("x.flagd.json", {"flags": {"targeted": TARGETED, "colour": COLOURS}})


def plain(**texts: str) -> Sources:
    return Sources(plain=tuple(Plain(key, text, f"flags/{key}") for key, text in texts.items()))


def test_the_same_content_has_the_same_revision_wherever_it_stands() -> None:
    here = Sources(plain=(Plain("A", "true", "here/A"), Plain("B", "1", "here/B")))
    there = Sources(plain=(Plain("B", "1\n", "there/B"), Plain("A", "true", "there/A")))
    assert here.revision == there.revision
    assert here.revision != plain(A="true", B="2").revision
    assert here.revision != here.overridden({"A": "false"}).revision


def test_sources_travel_to_another_process_and_decide_the_same_there() -> None:
    sources = Sources(plain=(Plain("A", "25%", "A"),), documents=(DOCUMENT,))
    here, there = compiled(sources), compiled(pickle.loads(pickle.dumps(sources)))
    assert here.revision == there.revision
    for n in range(100):
        assert assign(here, "A", Context(f"u{n}")) == assign(there, "A", Context(f"u{n}"))


def test_a_large_set_is_compiled_flag_by_flag() -> None:
    steps = compiling(plain(A="true", B="false"))
    assert next(steps) is None
    assert next(steps) is None
    with pytest.raises(StopIteration) as done:
        next(steps)
    assert isinstance(done.value.value, FlagSet)


def test_a_flag_that_two_files_define_is_refused_and_names_both() -> None:
    with pytest.raises(BrokenFlags, match=r"x\.flagd\.json: targeted: also defined in flags/targeted"):
        compiled(Sources(plain=(Plain("targeted", "true", "flags/targeted"),), documents=(DOCUMENT,)))


def test_the_last_four_revisions_stay_answerable() -> None:
    sets = [compiled(plain(A=str(n))) for n in range(5)]
    history = History(sets[0])
    for each in sets[1:]:
        history.use(each)
    assert history.current is sets[4]
    assert [history.at(each.revision) for each in sets[1:]] == sets[1:]
    assert history.at(sets[0].revision) is sets[4]
    assert history.at(None) is sets[4]


def test_a_revision_that_comes_back_is_current_again() -> None:
    one, two = compiled(plain(A="1")), compiled(plain(A="2"))
    history = History(one)
    history.use(two)
    history.use(compiled(plain(A="1")))
    assert history.current.revision == one.revision
    assert history.at(two.revision) is two


# --- overrides ----------------------------------------------------------------------------


def overridden(**texts: str) -> FlagSet:
    return compiled(Sources(plain=(Plain("A", "false", "A"),), documents=(DOCUMENT,)).overridden(texts))


def test_an_override_decides_instead_of_the_source() -> None:
    flags = overridden(A="true", targeted="no", colour="blue")
    assert assign(flags, "A", ALICE)[:3] == (True, "on", "STATIC")
    assert assign(flags, "targeted", ALICE)[:4] == (False, "no", "STATIC", {"owner": "a"})
    assert assign(flags, "colour", ALICE)[:3] == ("#00f", "blue", "STATIC")
    assert flags.flags["colour"].is_enabled
    assert flags.flags["A"].override == "true"
    assert flags.flags["A"].written == "false"


def test_a_targeted_flag_can_be_set_by_value_and_rolled_out_by_percentage() -> None:
    assert assign(overridden(targeted="true"), "targeted", Context(None)).variant == "yes"
    inside: set[int] = set()
    for percent in range(0, 101, 5):
        flags = overridden(targeted=f"{percent}%")
        now = {n for n in range(500) if assign(flags, "targeted", Context(f"u{n}")).variant == "yes"}
        assert inside <= now
        inside = now
    assert len(inside) == 500


def test_what_a_flag_cannot_be_is_refused_with_what_it_can_be() -> None:
    flags = overridden()
    for key, text in (
        ("colour", "green"),
        ("colour", "50%"),
        ("targeted", "maybe"),
        ("targeted", "101%"),
        ("A", "101%"),
    ):
        with pytest.raises(Invalid, match=key):
            pinned(flags.flags[key], text, "v3")


def test_an_override_that_no_longer_fits_is_void_and_harms_nobody() -> None:
    flags = overridden(gone="true", colour="green", A="on")
    assert len(flags.void) == 2
    assert assign(flags, "A", ALICE).value is True


def test_what_the_sources_say_of_a_flag_changes_when_and_only_when_they_do() -> None:
    sources = Sources(plain=(Plain("A", "false\n", "A"),), documents=(DOCUMENT,))
    assert sources.said("A") == "false"
    assert sources.said("nobody") is None
    same = Document("y.flagd.yaml", {"flags": {"targeted": dict(reversed(TARGETED.items()))}})
    assert sources.said("targeted") == Sources(documents=(same,)).said("targeted")
    other = Document("x", {"flags": {"targeted": {**TARGETED, "state": "DISABLED"}}})
    assert sources.said("targeted") != Sources(documents=(other,)).said("targeted")
