"""Conditions: who is meant, and in plain words why somebody is not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conditions import Context, Identity, Text, When, compiled, needs_identity, why_not
from proxy.errors import Invalid
from proxy.flags.asker import Asker
from proxy.flags.flagset import Document, Sources
from proxy.flags.flagset import compiled as flags_of_sources
from proxy.model import Request
from proxy.strategies.sticky import Ground

DICE = Random(5)
CONTEXT = Ground("shop").context("rule")


def holds(when: When, request: Request, identity: Identity = None, context: Context = CONTEXT) -> bool:
    """The compiled test's answer, which the explanation must share."""
    test = compiled(when, context)
    held = test is None or test(request, identity, DICE)
    assert (why_not(when, context, request, identity, DICE) is None) == held
    return held


def with_header(name: str, value: str) -> Request:
    return Request.of(headers=[(name, value)])


def test_who_asks_for_nothing_means_everybody() -> None:
    assert compiled(When(), CONTEXT) is None


# --- path and method ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("/abc", "/abc", True),
        ("/abc", "/abc/", True),
        ("/abc", "/abc/d", True),
        ("/abc", "/abcd", False),
        ("/abc", "/ab", False),
        ("/abc/", "/abc", True),
        ("/abc/", "/abcd", False),
        ("/", "/anything", True),
        ("/abc", "/abc?x=/abcd", True),
        ("/a%20b", "/a%20b/c", True),
        ("/a b", "/a%20b", False),
    ],
)
def test_a_path_prefix_compares_whole_segments_of_the_raw_path(prefix: str, path: str, expected: bool) -> None:
    assert holds(When(path=Text(prefix=prefix)), Request.of(target=path)) is expected


def test_an_exact_path_is_the_whole_path_up_to_the_question_mark() -> None:
    when = When(path=Text(exact="/x"))
    assert holds(when, Request.of(target="/x?y=1"))
    assert not holds(when, Request.of(target="/x/"))
    assert not holds(when, Request.of(target="/X"))


def test_a_regular_expression_matches_the_whole_path() -> None:
    when = When(path=Text(regex="/v[12]/.*"))
    assert holds(when, Request.of(target="/v1/users"))
    assert not holds(when, Request.of(target="/v3/users"))
    assert not holds(when, Request.of(target="/api/v1/users"))


def test_any_listed_method_will_do() -> None:
    when = When(method=("GET", "head"))
    assert [holds(when, Request.of(method)) for method in ("GET", "HEAD", "POST")] == [True, True, False]


# --- headers, cookies, query --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        (Text(exact="true"), "true", True),
        (Text(exact="true"), "True", False),
        (Text(exact="true"), "true ", True),
        (Text(exact=""), "", True),
        (Text(prefix="eu-"), "eu-west", True),
        (Text(prefix="eu-"), "us-eu-", False),
        (Text(regex=".*Firefox.*"), "Mozilla Firefox 120", True),
        (Text(regex="Firefox"), "Mozilla Firefox 120", False),
        (Text(regex=".*x"), "\xff\xfex", True),
        (Text(present=True), "", True),
        (Text(present=False), "x", False),
    ],
)
def test_header_names_ignore_case_and_values_do_not(text: Text, value: str, expected: bool) -> None:
    assert holds(When(header={"X-Some": text}), with_header("x-sOME", value)) is expected


@pytest.mark.parametrize("text", [Text(exact=""), Text(prefix=""), Text(regex=".*"), Text(present=True)])
def test_an_absent_header_meets_nothing_but_its_absence(text: Text) -> None:
    assert not holds(When(header={"x-beta": text}), Request.of())
    assert holds(When(header={"x-beta": Text(present=False)}), Request.of())


def test_cookies_are_found_among_others() -> None:
    request = with_header("Cookie", "xbeta=0; beta=1; c=beta=2")
    assert holds(When(cookie={"beta": Text(exact="1")}), request)
    assert not holds(When(cookie={"Beta": Text(present=True)}), request)
    assert not holds(When(cookie={"beta": Text(exact="1")}), Request.of())


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("q=a%20b", "a b"),
        ("q=a+b", "a b"),
        ("q=%C3%BC", "ü"),
        ("%71=x", "x"),
        ("x=1&q=2&q=3", "2"),
        ("q", ""),
        ("q=a%2Bb", "a+b"),
        ("q=a=b", "a=b"),
        ("q=100%", "100%"),
    ],
)
def test_query_values_are_what_their_sender_typed(query: str, value: str) -> None:
    assert holds(When(query={"q": Text(exact=value)}), Request.of(target=f"/?{query}"))


@pytest.mark.parametrize("target", ["/", "/?", "/?qq=1", "/?x=q", "/q?x=%71", "/?&&"])
def test_a_parameter_that_is_not_there_is_absent(target: str) -> None:
    assert holds(When(query={"q": Text(present=False)}), Request.of(target=target))


# --- who is asking ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("::ffff:10.0.0.1", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_a_client_is_within_one_of_the_networks(client: str, expected: bool) -> None:
    assert holds(When(client=("10.0.0.0/8", "2001:db8::/32")), Request.of(client=client)) is expected


def test_a_percentage_is_of_identities_and_the_same_ones_always() -> None:
    when = When(percent=20)
    met = [holds(when, Request.of(), b"%d" % number) for number in range(3000)]
    assert 500 < sum(met) < 700
    assert met == [holds(when, Request.of(), b"%d" % number) for number in range(3000)]


def test_who_is_within_a_percentage_stays_in_when_it_grows() -> None:
    less, more = When(percent=5), When(percent=50)
    assert all(holds(more, Request.of(), b"%d" % n) for n in range(2000) if holds(less, Request.of(), b"%d" % n))


def test_without_identity_a_percentage_is_drawn_for_each_request() -> None:
    test = compiled(When(percent=30), CONTEXT)
    assert test is not None
    assert 2700 < sum(test(Request.of(), None, DICE) for _ in range(10_000)) < 3300


def test_a_flag_is_asked_for_the_identity_and_goes_by_variant_or_value() -> None:
    targeting = {"if": [{"===": [{"var": "targetingKey"}, "alice"]}, "fast", "plain"]}
    checkout = {"state": "ENABLED", "variants": {"fast": 2, "plain": 1}, "targeting": targeting}
    found = flags_of_sources(Sources(documents=(Document("d", {"flags": {"checkout": checkout}}),)))
    context = Ground("shop", Asker(found, lambda: 0.0)).context("rule")
    for word in ("fast", "2"):
        when = When(flag={"checkout": word})
        assert holds(when, Request.of(), b"alice", context)
        assert not holds(when, Request.of(), None, context)
        assert why_not(when, context, Request.of(), None, DICE) == f"flag checkout is plain or 1, not {word}"
    unknown = why_not(When(flag={"nobody": "on"}), context, Request.of(), b"alice", DICE)
    assert unknown == "flag nobody is undecided (there is no flag 'nobody'), not on"


def test_without_flags_no_flag_condition_is_met() -> None:
    assert not holds(When(flag={"checkout": "on"}), Request.of(), b"alice")


def test_only_percentages_and_flags_need_to_know_who_asks() -> None:
    assert not needs_identity(When(header={"a": Text(exact="1")}, any=(When(method=("GET",)),)))
    assert needs_identity(When(percent=5))
    assert needs_identity(When(any=(When(not_=When(flag={"a": "on"})),)))


# --- several ------------------------------------------------------------------------------


def test_all_given_parts_must_hold() -> None:
    when = When(method=("GET",), path=Text(prefix="/a"), header={"x": Text(exact="1"), "y": Text(exact="2")})
    assert holds(when, Request.of(target="/a", headers=[("x", "1"), ("y", "2")]))
    assert not holds(when, Request.of(target="/a", headers=[("x", "1")]))
    assert not holds(when, Request.of(target="/b", headers=[("x", "1"), ("y", "2")]))


def test_any_needs_one_alternative_beside_the_rest() -> None:
    when = When(method=("GET",), any=(When(cookie={"beta": Text(exact="1")}), When(header={"x-beta": Text(exact="1")})))
    assert holds(when, with_header("x-beta", "1"))
    assert holds(when, with_header("cookie", "beta=1"))
    assert not holds(when, Request.of())
    assert not holds(when, Request.of("POST", headers=[("x-beta", "1")]))


def test_not_negates_all_of_it() -> None:
    when = When(not_=When(method=("GET",), header={"x": Text(exact="1")}))
    assert holds(when, Request.of())
    assert not holds(when, with_header("x", "1"))
    assert not holds(When(not_=When()), Request.of())


TEXTS = st.one_of(
    st.builds(Text, exact=st.sampled_from(["", "1", "2"])),
    st.builds(Text, prefix=st.sampled_from(["", "1", "/a"])),
    st.builds(Text, regex=st.sampled_from(["1?", ".*2", "/a.*"])),
    st.builds(Text, present=st.booleans()),
)
NAMED = st.dictionaries(st.sampled_from(["x", "y"]), TEXTS, max_size=2)
LEAVES = st.builds(
    When,
    path=st.none() | TEXTS,
    method=st.lists(st.sampled_from(["GET", "POST"]), max_size=1).map(tuple),
    header=NAMED,
    cookie=NAMED,
    query=NAMED,
)
WHENS = st.recursive(
    LEAVES,
    lambda inner: st.builds(When, any=st.lists(inner, max_size=2).map(tuple), not_=st.none() | inner),
    max_leaves=4,
)
REQUESTS = st.builds(
    lambda method, target, x, cookie: Request.of(method, target, headers=[("x", x), ("cookie", cookie)]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/", "/a", "/a/b?x=1", "/a?y=2&x=", "/1"]),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["x=1", "y=2; x=", ""]),
)


@given(WHENS, REQUESTS)
def test_a_condition_and_its_explanation_never_disagree_and_not_turns_both(when: When, request: Request) -> None:
    assert holds(when, request) is not holds(When(not_=when), request)
    assert holds(When(any=(when, When(not_=when))), request)


# --- why not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (When(header={"X-Beta": Text(exact="1")}), "header x-beta is absent"),
        (When(header={"host": Text(exact="shop")}), "header host is localhost, not shop"),
        (When(header={"host": Text(present=False)}), "header host is localhost, but must be absent"),
        (When(path=Text(prefix="/api")), "path /foo is not below /api"),
        (When(path=Text(exact="/api")), "path is /foo, not /api"),
        (When(path=Text(regex="/v1")), "path is /foo, which does not match /v1"),
        (When(method=("PUT", "POST")), "method GET is not PUT or POST"),
        (When(query={"q": Text(exact="1")}), "query parameter q is absent"),
        (When(cookie={"c": Text(exact="1")}), "cookie c is absent"),
        (When(client=("10.0.0.0/8",)), "client 127.0.0.1 is not in 10.0.0.0/8"),
        (When(flag={"f": "on"}), "flag f is unknown: there are no flags"),
        (When(percent=0), "the identity falls at "),
        (When(not_=When(method=("GET",))), "what `not` excludes holds"),
        (When(any=(When(method=("PUT",)), When(percent=0))), "none of `any` holds: method GET is not PUT; the"),
    ],
)
def test_what_does_not_match_says_why(when: When, said: str) -> None:
    reason = why_not(when, CONTEXT, Request.of(target="/foo"), b"alice", DICE)
    assert reason is not None
    assert reason.startswith(said)


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize("regex", ["(", "[", r"(a)\1", "(?=a)"])
def test_a_faulty_regular_expression_is_refused_at_load(regex: str) -> None:
    with pytest.raises(Invalid, match="is not a regular expression of RE2"):
        compiled(When(path=Text(regex=regex)), CONTEXT)


def test_a_faulty_network_is_refused_at_load() -> None:
    with pytest.raises(Invalid, match="is not a network such as"):
        compiled(When(client=("10.0.0.0/33",)), CONTEXT)
