"""Explain: the answer is the live table's, and everything before it says why it was not meant."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conditions import Text, When
from proxy.explain import Explanation, Hearing, Passed, explain
from proxy.flags.asker import Asker
from proxy.flags.flagset import Plain, Sources, compiled
from proxy.model import Request
from proxy.rules import Route, Rules, Service, Version
from proxy.strategies.blue_green import BlueGreen, Preview
from proxy.strategies.canary import Canary
from proxy.strategies.flags import Flag
from proxy.strategies.rolling import Rolling
from proxy.strategies.shadow import Shadow
from proxy.table import Table
from proxy.targets import Registry

SHOP = Service(
    name="shop",
    hosts=("shop",),
    versions={name: Version(targets=(f"http://127.0.0.1:{port}",)) for port, name in enumerate(("blue", "green"), 1)},
    identity=("cookie:session",),
    flags=(Flag(name="beta", when=When(header={"x-beta": Text(exact="true")}), version="green"),),
    canary=Canary(stable="blue", candidate="green", weight=10),
    shadow=(Shadow(version="green", when=When(path=Text(prefix="/api"))),),
    routes=(
        Route(name="rest", match=When(method=("GET", "POST"))),
        Route(name="api", match=When(path=Text(prefix="/api"))),
        Route(name="v1", match=When(path=Text(prefix="/api/v1"))),
    ),
)
COLOURS = Service(
    name="colours",
    hosts=("colours",),
    versions=SHOP.versions,
    blue_green=BlueGreen(active="blue", preview=Preview(version="green", when=When(cookie={"p": Text(exact="1")}))),
)
ONLY_API = Service(
    name="only-api",
    hosts=("only-api",),
    versions=SHOP.versions,
    routes=(Route(name="api", match=When(path=Text(prefix="/api")), rolling=Rolling(version="blue")),),
)
TABLE = Table.compile(Rules(services={each.name: each for each in (SHOP, COLOURS, ONLY_API)}), Registry())


def explained(
    target: str = "/", method: str = "GET", host: str = "shop", identity: bytes | None = None, **headers: str
) -> Explanation:
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return explain(TABLE, Request.of(method, target, host=host, headers=fields), Random(1), identity=identity)


def test_it_says_which_route_and_why_none_before() -> None:
    said = explained("/api/users")
    assert (said.service, said.route) == ("shop", "api")
    assert said.passed[0] == Passed(kind="route", name="v1", because="path /api/users is not below /api/v1")
    assert [each.name for each in said.passed] == ["v1", "beta"]


def test_it_says_which_rule_and_why_none_before() -> None:
    assert explained(x_beta="true").reason == "flag:beta"
    assert explained(x_beta="false").passed[-1].because == "header x-beta is false, not true"
    assert explained(host="colours").passed == (Passed(kind="preview", name="preview", because="cookie p is absent"),)
    assert explained(host="colours", cookie="p=1").version == "green"


def test_it_says_with_which_share_and_where_the_identity_falls() -> None:
    said = explained(identity=b"alice")
    assert said.bucket is not None
    assert said.share == (0.1 if said.version == "green" else 0.9)
    assert said == explained(cookie="session=alice")
    assert explained().bucket is None
    assert not explained().identified


@pytest.mark.parametrize("percent", [0.0001, 99.9999])
def test_who_hears_a_copy_by_chance_may_hear_it(percent: float) -> None:
    heard = replace(SHOP, shadow=(Shadow(version="green", percent=percent),))
    table = Table.compile(Rules(services={"shop": heard}), Registry())
    said = explain(table, Request.of("GET", "/", host="shop"), Random(1))
    assert f"green may hear a copy ({percent:g} %)" in str(said)


def test_it_says_who_hears_a_copy_and_why_not() -> None:
    assert explained("/api/x").copies == (
        Hearing(version="green", percent=100, hears=True, because="100 % of the requests"),
    )
    assert not explained("/x").copies[0].may_hear
    assert explained("/x").copies[0].because == "path /x is not below /api"
    assert explained("/api/x", "POST").copies[0].because == "method POST is not GET or HEAD"


def test_a_request_that_nobody_answers_is_explained_too() -> None:
    assert (explained(host="nobody").status, explained(host="nobody").error) == (404, "no service answers for nobody")
    said = explained("/shop", host="only-api")
    assert (said.status, said.service) == (404, "only-api")
    assert said.passed == (Passed(kind="route", name="api", because="path /shop is not below /api"),)
    assert "answered 404 by the proxy itself" in str(said)


def test_it_reads_well_on_a_terminal() -> None:
    candidate = next(said for number in range(200) if (said := explained("/api", identity=b"%d" % number)).rescuer)
    assert candidate.bucket is not None
    assert str(candidate).splitlines() == [
        "GET /api for shop",
        "  not route v1: path /api is not below /api/v1",
        "  not flag beta: header x-beta is absent",
        "  service shop, route api",
        f"  version green (canary, share 0.1, the identity falls at {candidate.bucket / 2**32:.2%})",
        "    at http://127.0.0.1:2",
        "    without a usable target blue stands in",
        "    should it fail, blue rescues",
        "  green hears a copy: 100 % of the requests",
    ]


@given(
    st.sampled_from(["/", "/api", "/api/v1", "/x?y=1"]),
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.sampled_from(["shop", "colours", "only-api", "nobody"]),
    st.binary(min_size=1),
)
def test_every_explanation_is_the_live_answer_and_makes_json(
    target: str, method: str, host: str, identity: bytes
) -> None:
    said = explained(target, method, host, identity)
    assert json.loads(json.dumps(asdict(said)))["version"] == said.version
    if not said.error:
        cookie = [("cookie", f"session={identity.hex()}")]
        request = Request.of(method, target, host=host, headers=cookie)
        live = TABLE.plan(request, Random(1), 0.0)
        same = explain(TABLE, request, Random(1))
        assert (same.route, same.version, same.bucket) == (live.lane.route, live.choice.version, live.choice.bucket)


def test_it_says_what_every_flag_was_and_which_the_application_is_told() -> None:
    new = When(flag={"new": "on"})
    by_flag = replace(
        SHOP, canary=Canary(stable="blue", candidate="green", flag="half"), flag_headers=("new", "nobody")
    )
    shop = replace(by_flag, routes=(Route(name="new", match=new),))
    found = compiled(Sources(plain=(Plain("new", "true", ""), Plain("half", "100%", ""))))
    told = Table.compile(Rules(services={"shop": shop}), Registry(), flags=Asker(found, lambda: 0.0))
    said = explain(told, Request.of(host="shop"), Random(1), identity=b"ann")
    assert (said.route, said.version, said.share) == ("new", "green", 1.0)
    assert [(each.flag, each.variant, each.reason, each.told) for each in said.flags] == [
        ("new", "on", "STATIC", True),
        ("half", "on", "STATIC", False),
        ("nobody", "", "ERROR", False),
    ]
    assert "  flag new is on (STATIC), told to the application" in str(said)
    assert "  flag nobody is undecided (there is no flag 'nobody')" in str(said)
    bare = explain(Table.compile(Rules(services={"shop": shop}), Registry()), Request.of(host="shop"), Random(1))
    assert bare.version == "blue"
    assert {each.error for each in bare.flags} == {"there are no flags"}
