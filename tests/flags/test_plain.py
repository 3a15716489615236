"""Plain flags: a few characters that mean what people think they mean."""

from __future__ import annotations

import pytest

from proxy.flags.bucketing import Version
from proxy.flags.flag import Context, Decision
from proxy.flags.flagset import Document, Plain, Sources, assign, compiled
from proxy.flags.plain import plain_flag

KEYS = [f"user-{n}" for n in range(5000)]


def decide(text: str, key: str | None = "alice", bucketing: Version = "v3") -> Decision:
    return plain_flag("NEW", text, bucketing, "flags/NEW").decide(Context(key))


@pytest.mark.parametrize(
    ("text", "value", "variant"),
    [
        ("true", True, "on"),
        ("True\n", True, "on"),
        (" on ", True, "on"),
        ("YES", True, "on"),
        ("enabled", True, "on"),
        ("false", False, "off"),
        ("off", False, "off"),
        ("no", False, "off"),
        ("disabled", False, "off"),
        ("0", 0, "0"),
        ("-12", -12, "-12"),
        ("0.5", 0.5, "0.5"),
        ("1.0", 1.0, "1.0"),
        ("1e3", 1000.0, "1000.0"),
        ("dark", "dark", "dark"),
        ("007", "007", "007"),
        ("1.2.3", "1.2.3", "1.2.3"),
        ("1e999", "1e999", "1e999"),
        ("nan", "nan", "nan"),
        ('"true"', "true", "true"),
        ('{"a": [1, 2.5]}', {"a": [1, 2.5]}, "value"),
        ("[1, 2]", [1, 2], "value"),
        ("two\nlines", "two\nlines", "value"),
        ("", "", "value"),
    ],
)
def test_a_text_means_what_it_looks_like(text: str, value: object, variant: str) -> None:
    decision = decide(text)
    assert decision[:3] == (value, variant, "STATIC")
    assert type(decision.value) is type(value)


def test_rules_may_call_a_flag_by_variant_or_value() -> None:
    assert decide("true").words == ("on", "true")
    assert decide("dark").words == ("dark",)
    assert decide("[1]").words == ("value",)


@pytest.mark.parametrize("text", ["140%", '{"a": }', "[1, 2", '{"a": NaN}', "[1e999]"])
def test_a_percentage_above_100_and_broken_json_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|too large|between 0 and 100"):
        plain_flag("NEW", text, "v3", "flags/NEW")


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
def test_a_growing_percentage_never_takes_anybody_back(bucketing: Version) -> None:
    inside: set[str] = set()
    for percent in [0, 0.1, *range(1, 101)]:
        flag = plain_flag("NEW", f"{percent}%", bucketing, "flags/NEW")
        now = {key for key in KEYS if flag.decide(Context(key)).value is True}
        assert inside <= now
        assert abs(len(now) - len(KEYS) * percent / 100) <= 4 * (len(KEYS) * 0.25) ** 0.5
        inside = now
    assert len(inside) == len(KEYS)


def test_two_percentages_are_salted_by_their_names() -> None:
    one, other = (plain_flag(name, "50%", "v3", "") for name in ("ONE", "OTHER"))
    same = sum(one.decide(Context(key)).value == other.decide(Context(key)).value for key in KEYS)
    assert abs(same - 2500) < 4 * (5000 * 0.25) ** 0.5


def test_a_percentage_picks_whom_flagds_fractional_picks() -> None:
    fractional = {"fractional": [["on", 25], ["off", 75]]}
    variants = {"on": True, "off": False}
    written = {"state": "ENABLED", "variants": variants, "defaultVariant": "off", "targeting": fractional}
    flagd = compiled(Sources(documents=(Document("f", {"flags": {"NEW": written}}),)))
    plain = compiled(Sources(plain=(Plain("NEW", "25%", "f"),)))
    for key in KEYS:
        assert assign(flagd, "NEW", Context(key)).value == assign(plain, "NEW", Context(key)).value


def test_a_percentage_says_how_it_was_drawn() -> None:
    on = next(decision for key in KEYS if (decision := decide("25%", key)).value is True)
    off = next(decision for key in KEYS if (decision := decide("25%", key)).value is False)
    assert (on.variant, on.reason, on.share) == ("on", "SPLIT", 0.25)
    assert (off.variant, off.reason, off.share) == ("off", "SPLIT", 0.75)


def test_without_a_key_a_percentage_is_off_and_says_why_unless_it_is_for_nobody_or_everybody() -> None:
    decision = decide("25%", None)
    assert decision.value is False
    assert decision.error is not None
    assert decision.error.code == "TARGETING_KEY_MISSING"
    assert decide("0%", None)[1:3] == ("off", "STATIC")
    assert decide("100%", None)[1:3] == ("on", "STATIC")
