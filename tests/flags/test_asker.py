"""The asker: what flags see of a request."""

from __future__ import annotations

import pytest

from proxy.flags.asker import Asker
from proxy.flags.flagset import Document, FlagSet, Plain, Sources, compiled
from proxy.model import Request

REQUEST = Request.of(
    "POST",
    "/cart?x=1",
    host="shop.example",
    headers=[
        ("X-Plan", "pro"),
        ("Cookie", "beta=1; theme=dark"),
        ("Baggage", "country=DE;ttl=1, city=K%C3%B6ln"),
        ("X-Latin", "Z\u00fcrich"),
    ],
    client="10.0.0.7",
)


def flags(condition: object) -> FlagSet:
    targeting = {"if": [condition, "on", "off"]}
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "targeting": targeting}
    return compiled(Sources(plain=(Plain("HALF", "50%", ""),), documents=(Document("d", {"flags": {"f": flag}}),)))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("targetingKey", "alice"),
        ("method", "POST"),
        ("path", "/cart"),
        ("host", "shop.example"),
        ("client", "10.0.0.7"),
        ("headers.x-plan", "pro"),
        ("headers.x-latin", "Z\u00fcrich"),
        ("cookies.theme", "dark"),
        ("country", "DE"),
        ("city", "K\u00f6ln"),
        ("headers.nobody", None),
        ("cookies.nobody", None),
        ("nobody", None),
    ],
)
def test_targeting_reads_this_of_a_request(path: str, said: str | None) -> None:
    lean = flags({"===": [{"var": path}, said]})
    # A path that is put together at run time makes the flag read all there is.
    whole = flags({"===": [{"var": [{"cat": [path, ""]}]}, said]})
    for found in (lean, whole):
        assert Asker(found, lambda: 0.0).decide("f", REQUEST, b"alice").variant == "on"


def test_the_clock_is_asked_only_for_flags_that_look_at_it() -> None:
    late = flags({">": [{"var": "$flagd.timestamp"}, 100]})
    assert Asker(late, lambda: 101.5).decide("f", REQUEST, None).variant == "on"

    def broken() -> float:
        raise AssertionError

    assert Asker(late, broken).decide("HALF", REQUEST, b"alice").error is None


def test_an_identity_that_is_not_utf8_is_an_identity_too() -> None:
    assert Asker(flags(condition=True), lambda: 0.0).decide("HALF", REQUEST, b"\xff\xfe").error is None


def test_rules_compare_with_variant_and_value_and_with_nothing_where_there_is_no_decision() -> None:
    asker = Asker(flags(condition=True), lambda: 0.0)
    assert asker.decide("f", REQUEST, None).words == ("on", "true")
    assert asker.decide("nobody", REQUEST, None).words == ()
    assert asker.decide("HALF", REQUEST, None).words == ("off", "false")
