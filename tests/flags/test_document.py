"""flagd documents: what they decide, and what is wrong with them, all at once."""

from __future__ import annotations

import pytest

from proxy.flags.fault import BrokenFlags
from proxy.flags.flag import Context
from proxy.flags.flagset import Document, FlagSet, Sources, assign, compiled

ON_OFF = {"on": True, "off": False}


def flag(**changes: object) -> dict[str, object]:
    return {"state": "ENABLED", "variants": ON_OFF, "defaultVariant": "off", **changes}


def flags(document: dict[str, object]) -> FlagSet:
    return compiled(Sources(documents=(Document("shop.flagd.json", document),)))


def faults(document: object) -> list[str]:
    with pytest.raises(BrokenFlags) as broken:
        compiled(Sources(documents=(Document("shop.flagd.json", document),)))
    return [str(fault) for fault in broken.value.faults]


def variant(targeting: object, key: str | None = "alice", **attributes: object) -> str | None:
    return assign(flags({"flags": {"f": flag(targeting=targeting)}}), "f", Context(key, attributes)).variant


def test_a_flag_without_targeting_is_its_default() -> None:
    decision = assign(flags({"flags": {"f": flag()}}), "f", Context(None))
    assert decision[:3] == (False, "off", "STATIC")
    assert decision.words == ("off", "false")


def test_targeting_that_says_nothing_leaves_the_default() -> None:
    document = {"flags": {"f": flag(targeting={"if": [{"==": [{"var": "plan"}, "pro"]}, "on"]})}}
    assert assign(flags(document), "f", Context("a", {"plan": "pro"}))[:3] == (True, "on", "TARGETING_MATCH")
    assert assign(flags(document), "f", Context("a", {"plan": "free"}))[:3] == (False, "off", "DEFAULT")


def test_a_disabled_flag_leaves_the_applications_default() -> None:
    document = {"flags": {"f": flag(state="DISABLED", targeting={"if": [True, "on"]})}}
    assert assign(flags(document), "f", Context("a"))[:3] == (None, None, "DISABLED")


def test_without_a_default_variant_the_applications_default_answers() -> None:
    bare = {"state": "ENABLED", "variants": ON_OFF}
    assert assign(flags({"flags": {"f": bare}}), "f", Context("a"))[:3] == (None, None, "DEFAULT")


def test_an_unknown_flag_is_said_to_be_unknown() -> None:
    decision = assign(flags({"flags": {}}), "f", Context("a"))
    assert decision.error is not None
    assert decision.error.code == "FLAG_NOT_FOUND"


def test_a_split_without_targeting_key_is_the_default_and_says_why() -> None:
    document = {"flags": {"f": flag(targeting={"fractional": [["on", 1], ["off", 0]]})}}
    assert assign(flags(document), "f", Context("alice")).variant == "on"
    decision = assign(flags(document), "f", Context(None))
    assert decision.variant == "off"
    assert decision.error is not None
    assert decision.error.code == "TARGETING_KEY_MISSING"


def test_targeting_that_fails_is_an_error_and_not_a_crash() -> None:
    decision = assign(flags({"flags": {"f": flag(targeting={"/": [1, {"var": "n"}]})}}), "f", Context("a", {"n": 0}))
    assert decision.error is not None
    assert decision.error.code == "GENERAL"
    assert decision.variant is None


def test_targeting_may_know_flag_and_time() -> None:
    assert variant({"if": [{"==": [{"var": "$flagd.flagKey"}, "f"]}, "on"]}) == "on"
    late = {"if": [{">": [{"var": "$flagd.timestamp"}, 1000]}, "on"]}
    document = {"flags": {"f": flag(targeting=late)}}
    assert assign(flags(document), "f", Context("a", {}, 1001)).variant == "on"
    assert assign(flags(document), "f", Context("a", {}, 1000)).variant == "off"


def test_an_evaluator_is_shared_by_reference() -> None:
    document = {
        "flags": {"f": flag(targeting={"if": [{"$ref": "staff"}, "on"]})},
        "$evaluators": {"staff": {"ends_with": [{"$ref": "mail"}, "@example.com"]}, "mail": {"var": "email"}},
    }
    assert assign(flags(document), "f", Context("a", {"email": "a@example.com"})).variant == "on"
    assert assign(flags(document), "f", Context("a", {"email": "a@example.org"})).variant == "off"


def test_metadata_of_the_set_is_the_flags_too_unless_it_says_otherwise() -> None:
    found = flags({"flags": {"f": flag(metadata={"owner": "a"})}, "metadata": {"owner": "all", "team": "shop"}})
    assert assign(found, "f", Context("a")).flag_metadata == {"owner": "a", "team": "shop"}
    assert found.metadata == {"owner": "all", "team": "shop"}


def test_a_flag_with_one_float_has_only_floats() -> None:
    document = {"flags": {"f": {"state": "ENABLED", "variants": {"a": 1, "b": 0.5}, "defaultVariant": "a"}}}
    assert repr(assign(flags(document), "f", Context(None)).value) == "1.0"


def test_every_fault_is_named_with_its_path() -> None:
    document = {
        "flags": {
            "a": {"state": "ON", "variants": {}, "defaultVariant": "x"},
            "b": flag(defaultVariant="on ", targeting={"if": [{"start_with": [{"var": "x"}, "y"]}, "on"]}),
            "c": flag(variants={"on": None}, defaultVariant="on", metadata={"m": []}, targetting={}),
            "d": "on",
            "e": flag(targeting={"if": [], "or": []}),
            "g": flag(targeting={"or": [{"$ref": "nobody"}, {"$ref": "loop"}]}),
        },
        "$evaluators": {"loop": {"!": [{"$ref": "loop"}]}},
        "falgs": {},
    }
    assert faults(document) == [
        "shop.flagd.json: falgs: is no key of a flagd document; did you mean 'flags'?",
        "shop.flagd.json: flags.a.state: 'ON' is neither ENABLED nor DISABLED",
        "shop.flagd.json: flags.a.variants: must name at least one variant",
        "shop.flagd.json: flags.b.defaultVariant: 'on ' is not one of its variants; did you mean 'on'?",
        "shop.flagd.json: flags.b.targeting.if[0].start_with: 'start_with' is no operator; did you mean 'starts_with'?",
        "shop.flagd.json: flags.c.targetting: is no key of a flag; did you mean 'targeting'?",
        "shop.flagd.json: flags.c.variants.on: null is no value; leave the default variant out to mean none",
        "shop.flagd.json: flags.c.metadata.m: must be a text, a number, true or false",
        "shop.flagd.json: flags.d: must be an object with `state`, `variants` and `defaultVariant`",
        "shop.flagd.json: flags.e.targeting: must be one rule, an object with the operator as its only key",
        "shop.flagd.json: flags.g.targeting.or[0].$ref: there is no evaluator 'nobody'",
        "shop.flagd.json: $evaluators.loop.![0].$ref: evaluator 'loop' refers to itself",
    ]


@pytest.mark.parametrize("document", [[], "flags", {}, {"flags": []}])
def test_what_is_no_document_is_refused(document: object) -> None:
    assert faults(document)


def test_rules_that_grow_without_bound_are_refused() -> None:
    deep: object = "on"
    for _ in range(200):
        deep = {"!": [deep]}
    assert "deeper than" in faults({"flags": {"f": flag(targeting=deep)}})[0]
    wide = {f"e{n}": {"or": [{"$ref": f"e{n + 1}"}] * 2} for n in range(40)} | {"e40": True}
    document = {"flags": {"f": flag(targeting={"if": [{"$ref": "e0"}, "on"]})}, "$evaluators": wide}
    assert "larger than" in faults(document)[0]
