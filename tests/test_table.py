"""The table: every request finds the most specific route, and every change a table of its own."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conditions import Text, When
from proxy.errors import Invalid, NoRoute, NoService
from proxy.flags.asker import Asker
from proxy.flags.flagset import Plain, Sources
from proxy.flags.flagset import compiled as flag_set
from proxy.model import Request
from proxy.plan import Plan
from proxy.rules import Headers, Limits, Retries, Route, Rules, Service, Timeouts, Version
from proxy.strategies.blue_green import BlueGreen, Preview
from proxy.strategies.canary import Canary
from proxy.strategies.flags import Flag
from proxy.strategies.progressive import Progressive
from proxy.strategies.rolling import Rolling
from proxy.strategies.shadow import Shadow
from proxy.table import SLICE_ROUTES, Compiling, Table
from proxy.targets import Address, Registry

DICE = Random(11)
VERSIONS = {
    "blue": Version(targets=("http://127.0.0.1:8001", "http://127.0.0.1:8002")),
    "green": Version(targets=("http://127.0.0.1:8003",)),
    "next": Version(targets=("unix:///run/next.sock",), headers=Headers()),
}
BLUE = Service(name="shop", hosts=("shop.example.com",), versions=VERSIONS, rolling=Rolling(version="blue"))
SPLIT = Canary(stable="blue", candidate="green", weight=50)
BY_FLAG = Canary(stable="blue", candidate="green", flag="new")
CANARY = replace(BLUE, rolling=None, canary=SPLIT, identity=("cookie:session",))


def table(*services: Service) -> Table:
    return Table.compile(Rules(services={service.name: service for service in services}), Registry())


def plan(of: Table | Service, target: str = "/", method: str = "GET", host: str = "", **headers: str) -> Plan:
    compiled = table(of) if isinstance(of, Service) else of
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return compiled.plan(Request.of(method, target, host=host or "shop.example.com", headers=fields), DICE, 0.0)


def asker(**texts: str) -> Asker:
    """Plain flags, with `_` for `-`."""
    plain = tuple(Plain(key.replace("_", "-"), text, "") for key, text in texts.items())
    return Asker(flag_set(Sources(plain=plain)), lambda: 0.0)


def service(name: str, *hosts: str) -> Service:
    return Service(name=name, hosts=hosts, versions={"v1": Version(targets=("http://127.0.0.1:9000",))})


# --- hosts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("example.com", "exact"),
        ("a.example.com", "suffix"),
        ("a.b.example.com", "suffix"),
        ("shop.example.com", "longer-exact"),
        ("a.shop.example.com", "longer-suffix"),
        ("x.y.z.shop.example.com", "longer-suffix"),
        ("EXAMPLE.com", "exact"),
        ("other.org", "everyone"),
        ("badexample.com", "everyone"),
        ("", "everyone"),
    ],
)
def test_an_exact_host_beats_the_longest_suffix_beats_everyone(host: str, answers: str) -> None:
    compiled = table(
        service("everyone", "*"),
        service("suffix", "*.example.com"),
        service("longer-suffix", "*.shop.example.com"),
        service("longer-exact", "Shop.Example.com"),
        service("exact", "example.com"),
    )
    assert compiled.plan(Request.of(host=host), DICE, 0.0).lane.service == answers


def test_a_host_that_nobody_answers_for_is_not_found() -> None:
    with pytest.raises(NoService, match=r"other\.org"):
        plan(BLUE, host="other.org")


def test_two_services_cannot_have_the_same_host() -> None:
    with pytest.raises(Invalid, match=r"shop and blog both answer for shop\.example\.com"):
        table(BLUE, service("blog", "shop.example.com"))


# --- routes -------------------------------------------------------------------------------


def route(name: str, match: When, **keys: object) -> Route:
    return Route(name=name, match=match, **keys)  # type: ignore[arg-type]


def routed(routes: list[Route], target: str, method: str = "GET", **headers: str) -> str:
    return plan(replace(BLUE, routes=tuple(routes)), target, method, **headers).lane.route


def test_the_most_specific_route_wins_wherever_it_stands() -> None:
    routes = [
        route("rest", When()),
        route("regex", When(path=Text(regex="/a.*"))),
        route("root", When(path=Text(prefix="/a"))),
        route("deep", When(path=Text(prefix="/a/b/"))),
        route("post", When(path=Text(prefix="/a/b"), method=("POST",))),
        route("header", When(path=Text(prefix="/a/b"), header={"x": Text(exact="1")})),
        route("exact", When(path=Text(exact="/a/b/c"))),
    ]
    for listed in (routes, routes[::-1]):
        assert routed(listed, "/a/b/c", x="1") == "exact"
        assert routed(listed, "/a/b/d", "POST", x="1") == "post"
        assert routed(listed, "/a/b/d", x="1") == "header"
        assert routed(listed, "/a/b") == "deep"
        assert routed(listed, "/a/bc") == "root"
        assert routed(listed, "/ab") == "regex"
        assert routed(listed, "/b") == "rest"
        assert routed(listed, "*", "OPTIONS") == "rest"


def test_a_route_whose_other_conditions_fail_leaves_the_request_to_the_next() -> None:
    routes = [
        route("exact", When(path=Text(exact="/a/b"), header={"x": Text(exact="1")})),
        route("deep", When(path=Text(prefix="/a/b"), query={"q": Text(exact="1")})),
        route("root", When(path=Text(prefix="/"))),
    ]
    assert routed(routes, "/a/b") == "root"
    assert routed(routes, "/a/b?q=1") == "deep"
    assert routed(routes, "/a/b?q=1", x="1") == "exact"


def test_a_request_that_no_route_wants_falls_to_the_service() -> None:
    found = plan(replace(BLUE, routes=(route("api", When(path=Text(prefix="/api"))),)), "/shop")
    assert (found.lane.route, found.choice.version) == ("", "blue")


def test_without_a_strategy_of_its_own_the_service_has_only_its_routes() -> None:
    only_api = route("api", When(path=Text(prefix="/api")), rolling=Rolling(version="green"))
    bare = replace(BLUE, rolling=None, routes=(only_api,))
    assert plan(bare, "/api").choice.version == "green"
    with pytest.raises(NoRoute):
        plan(bare, "/shop")


def test_alternative_paths_rank_each_by_its_own() -> None:
    either = When(header={"x": Text(exact="1")}, any=(When(path=Text(exact="/a/b")), When(path=Text(prefix="/c"))))
    routes = [route("either", either), route("deep", When(path=Text(prefix="/a/b")))]
    assert routed(routes, "/a/b", x="1") == "either"
    assert routed(routes, "/c/d", x="1") == "either"
    assert routed(routes, "/a/b") == "deep"
    assert routed(routes, "/c/d") == ""
    assert routed(routes, "/a/b/c", x="1") == "deep"


def test_the_lane_knows_which_prefix_matched() -> None:
    match = When(any=(When(path=Text(prefix="/v1/")), When(path=Text(prefix="/v2"))))
    compiled = table(replace(BLUE, routes=(route("api", match), route("rest", When()))))
    assert [plan(compiled, path).lane.prefix for path in ("/v1/x", "/v2/x", "/v3")] == [b"/v1", b"/v2", b""]


PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "*"])
ONES = st.dictionaries(st.sampled_from(["x", "y"]), st.just(Text(exact="1")), max_size=2)
MATCHES = st.builds(
    When,
    path=st.none()
    | PATHS.map(lambda path: Text(exact=path))
    | PATHS.filter(lambda path: path != "*").map(lambda path: Text(prefix=path))
    | st.sampled_from(["/a.*", ".*b", ".*"]).map(lambda regex: Text(regex=regex)),
    method=st.sampled_from([(), ("GET",), ("POST", "GET")]),
    header=ONES,
    query=ONES,
)


def specificity(match: When, order: int) -> tuple[int, int, bool, int, int, int]:
    """The order of RULES, written down naively."""
    kind, length = 3, 0
    if match.path is not None:
        kind = 0 if match.path.exact is not None else 1 if match.path.prefix is not None else 2
        length = len((match.path.prefix or "").rstrip("/"))
    return kind, -length, not match.method, -len(match.header), -len(match.query), order


def is_matched(match: When, path: str, method: str, query: set[str], headers: set[str]) -> bool:
    """What matching means, written down naively."""
    fits = True
    if match.path is not None and match.path.exact is not None:
        fits = path == match.path.exact
    elif match.path is not None and match.path.prefix is not None:
        wanted = [part for part in match.path.prefix.split("/") if part]
        fits = path.split("/")[1 : len(wanted) + 1] == wanted or not wanted
    elif match.path is not None and match.path.regex is not None:
        fits = {"/a.*": path.startswith("/a"), ".*b": path.endswith("b"), ".*": True}[match.path.regex]
    return (
        fits and (not match.method or method in match.method) and query >= {*match.query} and headers >= {*match.header}
    )


@given(
    st.lists(MATCHES, max_size=8),
    PATHS,
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sets(st.sampled_from("xy")),
    st.sets(st.sampled_from("xy")),
)
def test_routes_are_found_as_by_trying_them_all_in_order(
    matches: list[When], path: str, method: str, query: set[str], headers: set[str]
) -> None:
    ranked = sorted(enumerate(matches), key=lambda each: specificity(each[1], each[0]))
    expected = next((str(n) for n, match in ranked if is_matched(match, path, method, query, headers)), "")
    routes = [route(str(number), match) for number, match in enumerate(matches)]
    target = path + "?" + "&".join(f"{name}=1" for name in query)
    assert routed(routes, target, method, **dict.fromkeys(headers, "1")) == expected


def test_a_path_of_a_thousand_segments_is_looked_up_like_a_short_one() -> None:
    assert routed([route("deep", When(path=Text(prefix="/a/b")))], "/a/b" + "/x" * 1000) == "deep"
    assert routed([route("deep", When(path=Text(prefix="/a/b")))], "/a" + "/x" * 1000) == ""


# --- what a route takes from its service --------------------------------------------------


def test_a_route_takes_what_it_does_not_name_from_the_service() -> None:
    given_keys = replace(
        CANARY, timeouts=Timeouts(connect=9), retries=Retries(attempts=1), rescue=False, expose_version=True
    )
    narrow = route("api", When(path=Text(prefix="/api")), timeouts=Timeouts(connect=2), expose_version=False)
    lane = plan(replace(given_keys, routes=(narrow,)), "/api").lane
    assert (lane.timeouts.connect, lane.retries.attempts, lane.rescue, lane.expose_version) == (2, 1, False, False)
    assert plan(replace(given_keys, routes=(narrow,)), "/").lane.expose_version


def test_naming_a_strategy_replaces_the_services_and_leaves_its_flags() -> None:
    flags = (Flag(name="beta", when=When(header={"x": Text(exact="1")}), version="next"),)
    api = route("api", When(path=Text(prefix="/api")), rolling=Rolling(version="green"))
    bare = route("bare", When(path=Text(prefix="/bare")), flags=(), shadow=())
    compiled = table(replace(CANARY, flags=flags, shadow=(Shadow(version="next"),), routes=(api, bare)))
    assert plan(compiled, "/api").choice == ("green", "rolling", False, 0.0, None)
    assert plan(compiled, "/api", x="1").choice.version == "next"
    assert [copy.fleet.version for copy in plan(compiled, "/api").copies] == ["next"]
    assert plan(compiled, "/bare", x="1").choice.reason == "canary"
    assert plan(compiled, "/bare").copies == ()


def test_one_version_and_no_strategy_is_rolling_that_version() -> None:
    compiled = table(replace(service("blog", "blog"), routes=(route("api", When(path=Text(prefix="/api"))),)))
    assert plan(compiled, "/", host="blog").choice == ("v1", "rolling", False, 0.0, None)
    assert plan(compiled, "/api", host="blog").choice.version == "v1"


def test_a_routes_limits_and_balance_reach_its_fleets_and_the_targets_stay_the_same() -> None:
    api = route("api", When(path=Text(prefix="/api")), balance="round_robin", limits=Limits(max_connections=3))
    compiled = table(replace(BLUE, routes=(api,)))
    own, narrow = plan(compiled, "/").fleet, plan(compiled, "/api").fleet
    assert (own.balance, narrow.balance, narrow.limits.max_connections) == ("least_busy", "round_robin", 3)
    assert own.targets == narrow.targets
    assert plan(compiled, "/api").lane.limits.max_connections == 3


# --- choice -------------------------------------------------------------------------------


def test_flags_come_before_preview_before_the_colour() -> None:
    def when(name: str) -> When:
        return When(header={name: Text(present=True)})

    colours = replace(
        BLUE,
        rolling=None,
        blue_green=BlueGreen(active="blue", preview=Preview(version="green", when=when("x-preview"))),
        flags=(Flag(name="beta", when=when("x-beta"), version="next"),),
    )
    assert plan(colours, x_beta="1", x_preview="1").choice == ("next", "flag:beta", False, 0.0, None)
    assert plan(colours, x_preview="1").choice == ("green", "preview", False, 0.0, None)
    assert plan(colours).choice == ("blue", "active", False, 0.0, None)


def test_an_identity_keeps_its_version_on_every_worker_and_through_every_route() -> None:
    compiled, other = table(replace(CANARY, routes=(route("api", When(path=Text(prefix="/api"))),))), table(CANARY)
    for number in range(50):
        cookie = f"a=b; session=s{number}"
        versions = {
            plan(compiled, "/", cookie=cookie).choice.version,
            plan(compiled, "/api", cookie=cookie).choice.version,
            plan(other, cookie=cookie).choice.version,
        }
        assert len(versions) == 1


def test_a_new_release_lets_others_go_first() -> None:
    first, second = (table(replace(CANARY, progressive=Progressive(release=name))) for name in ("a", "b"))
    ways = Counter(
        (plan(first, cookie=f"session={n}").choice.version, plan(second, cookie=f"session={n}").choice.version)
        for n in range(400)
    )
    assert all(60 < ways[pair] < 140 for pair in (("blue", "green"), ("green", "blue"), ("blue", "blue")))


def test_a_salt_of_its_own_can_tie_two_services_together() -> None:
    twin = replace(CANARY, name="twin", hosts=("twin",), salt="shop")
    compiled = table(CANARY, twin)
    for number in range(50):
        cookie = f"session={number}"
        assert plan(compiled, cookie=cookie).choice == plan(compiled, host="twin", cookie=cookie).choice


def test_who_has_no_identity_gets_one_when_asked_for_and_falls_by_it() -> None:
    minting = table(replace(CANARY, identity=("cookie:session", "mint")))
    found = plan(minting)
    assert found.minted is not None
    again = plan(minting, cookie=f"shunt_id={found.minted.decode()}")
    assert (again.choice, again.minted) == (found.choice, None)
    assert plan(minting, cookie="session=1").minted is None
    assert plan(CANARY).minted is None


def test_an_identity_is_minted_even_where_nothing_is_drawn_yet() -> None:
    at_zero = replace(SPLIT, weight=0)
    assert plan(replace(CANARY, canary=at_zero, identity=("mint",))).minted is not None


def test_balancing_by_hash_finds_the_bucket_of_every_identity() -> None:
    hashed = table(replace(BLUE, balance="hash", identity=("cookie:session",)))
    one, same, other = (plan(hashed, cookie=f"session={name}").choice.bucket for name in ("a", "a", "b"))
    assert one is not None
    assert one == same != other


def test_a_percentage_in_a_match_is_of_identities() -> None:
    some = route("some", When(percent=50))
    compiled = table(replace(BLUE, identity=("cookie:session",), routes=(some,)))
    found = [{plan(compiled, cookie=f"session={n}").lane.route for _ in range(5)} for n in range(100)]
    assert all(len(each) == 1 for each in found)
    assert 25 < sum(each == {"some"} for each in found) < 75


def test_a_feature_flag_decides_a_route() -> None:
    rules = Rules(services={"shop": replace(BLUE, routes=(route("new", When(flag={"new": "on"})),))})
    assert plan(Table.compile(rules, Registry(), flags=asker(new="true"))).lane.route == "new"
    assert plan(Table.compile(rules, Registry())).lane.route == ""


def test_an_application_is_told_what_its_route_was_told() -> None:
    told = replace(CANARY, canary=BY_FLAG, flag_headers=("new", "theme"))
    compiled = Table.compile(Rules(services={"shop": told}), Registry(), flags=asker(new="50%", theme="dark"))
    seen = Counter[str]()
    for number in range(200):
        found = plan(compiled, cookie=f"session={number}")
        variant = "on" if found.choice.version == "green" else "off"
        assert found.flag_lines.startswith(b"x-shunt-flags: new=%b,theme=dark\r\n" % variant.encode())
        assert b"\r\nx-shunt-variant: %b\r\nx-shunt-revision: " % variant.encode() in found.flag_lines
        seen[variant] += 1
    assert 60 < seen["on"] < 140
    assert plan(Table.compile(Rules(services={"shop": told}), Registry())).flag_lines == b""


def test_other_flags_recompile_only_services_that_ask_flags() -> None:
    asking = replace(CANARY, canary=BY_FLAG)
    deep = route("deep", When(any=(When(not_=When(flag={"new": "on"})),)))
    others = {"told": replace(BLUE, flag_headers=("new",)), "routed": replace(BLUE, routes=(deep,)), "bare": BLUE}
    named = {name: replace(each, name=name, hosts=(name,)) for name, each in {"shop": asking, **others}.items()}
    registry, rules = Registry(), Rules(services=named)
    before = Table.compile(rules, registry, flags=asker(new="50%"))
    compiling = Compiling(rules, registry, flags=asker(new="60%"), previous=before)
    for _ in compiling:
        pass
    kept = {name for name, junction in compiling.table.junctions.items() if junction is before.junctions[name]}
    assert kept == {"bare"}


def test_a_version_without_targets_has_a_stand_in_under_a_flag_too() -> None:
    compiled = Table.compile(
        Rules(services={"shop": replace(CANARY, canary=BY_FLAG)}), Registry(), flags=asker(new="50%")
    )
    found = of_version(compiled, "green")
    assert standing_in(found) == ["blue"]
    assert found.rescuer is not None


# --- failover and rescue ------------------------------------------------------------------


def of_version(compiled: Table, version: str) -> Plan:
    plans = (plan(compiled, cookie=f"session={number}") for number in range(500))
    return next(found for found in plans if found.choice.version == version)


def standing_in(found: Plan) -> list[str]:
    return [fleet.version for fleet in found.stand_ins]


def test_the_rest_of_a_split_stands_in_and_stable_rescues_the_candidate() -> None:
    compiled = table(CANARY)
    candidate, stable = of_version(compiled, "green"), of_version(compiled, "blue")
    assert (standing_in(candidate), standing_in(stable)) == (["blue"], ["green"])
    assert candidate.rescuer is not None
    assert candidate.rescuer.version == "blue"
    assert stable.rescuer is None


def test_only_versions_above_zero_stand_in_the_greatest_share_first() -> None:
    weights = {"green": 20.0, "blue": 80.0, "next": 0.0, "old": 30.0}
    versions = {**VERSIONS, "old": Version(targets=("http://127.0.0.1:8009",))}
    compiled = table(replace(CANARY, versions=versions, canary=Canary(weights=weights)))
    assert standing_in(of_version(compiled, "green")) == ["blue", "old"]
    assert of_version(compiled, "green").rescuer is None
    assert standing_in(plan(replace(CANARY, canary=replace(SPLIT, weight=100)))) == []


def test_failover_and_rescue_can_be_switched_off() -> None:
    assert standing_in(of_version(table(replace(CANARY, canary=replace(SPLIT, failover=False))), "green")) == []
    assert of_version(table(replace(CANARY, rescue=False)), "green").rescuer is None


def test_testers_see_the_error_of_the_version_they_asked_for() -> None:
    beta = Flag(name="beta", when=When(header={"x": Text(exact="1")}), version="green")
    found = plan(replace(CANARY, flags=(beta,)), x="1")
    assert (found.fleet.version, found.stand_ins, found.rescuer, found.choice.randomised) == ("green", (), None, False)


# --- shadows ------------------------------------------------------------------------------


def test_of_every_copy_left_out_the_plan_says_why() -> None:
    shadows = (
        Shadow(version="next", percent=50),
        Shadow(version="green", when=When(path=Text(prefix="/api"))),
    )
    compiled = table(replace(BLUE, shadow=shadows))
    assert plan(compiled, "/", "POST").omitted == (("next", "method"),)
    assert plan(compiled, "/api", "POST").omitted == (("next", "method"), ("green", "method"))
    plans = [plan(compiled, "/api") for _ in range(200)]
    assert all(len(each.copies) + len(each.omitted) == 2 for each in plans)
    assert 60 < sum(each.omitted == (("next", "sampled"),) for each in plans) < 140


# --- targets ------------------------------------------------------------------------------


def test_what_is_drained_gets_nothing_and_stays_known() -> None:
    registry = Registry()
    drained = replace(CANARY, drained=("green", "blue@http://127.0.0.1:8002"))
    compiled = Table.compile(Rules(services={"shop": drained}), registry)
    assert of_version(compiled, "green").fleet.targets == ()
    assert [str(each.address) for each in of_version(compiled, "blue").fleet.targets] == ["http://127.0.0.1:8001"]
    assert len(compiled.targets()) == 4
    assert registry.retain(compiled.targets()) == []


def test_a_name_stands_for_all_the_addresses_it_resolved_to() -> None:
    named = replace(BLUE, versions={"blue": Version(targets=("http://blue:80",))})
    found = tuple(Address("http", f"10.0.0.{number}", 80) for number in (1, 2))
    compiled = Table.compile(Rules(services={"shop": named}), Registry(), {"http://blue:80": found})
    assert tuple(target.address for target in plan(compiled).fleet.targets) == found
    one_drained = replace(named, drained=("blue@http://10.0.0.1:80",))
    compiled = Table.compile(Rules(services={"shop": one_drained}), Registry(), {"http://blue:80": found})
    assert [target.address for target in plan(compiled).fleet.targets] == [found[1]]


def test_a_targets_state_outlives_the_table() -> None:
    registry = Registry()
    before = plan(Table.compile(Rules(services={"shop": BLUE}), registry)).fleet.targets[0]
    moved = replace(BLUE, expose_version=True)
    assert plan(Table.compile(Rules(services={"shop": moved}), registry)).fleet.targets[0] is before


@pytest.mark.parametrize(
    "faulty",
    [
        replace(BLUE, rolling=Rolling(version="red")),
        replace(BLUE, shadow=(Shadow(version="red"),)),
        replace(BLUE, flags=(Flag(name="f", when=When(), version="red"),)),
        replace(CANARY, canary=Canary(stable="blue", candidate="red")),
        replace(BLUE, rolling=None, blue_green=BlueGreen(active="red")),
        replace(BLUE, versions={"blue": Version(targets=("nonsense",))}),
        replace(BLUE, identity=("nonsense",)),
        replace(BLUE, routes=(route("r", When(path=Text(regex="("))),)),
    ],
)
def test_rules_that_cannot_be_obeyed_make_no_table(faulty: Service) -> None:
    with pytest.raises(Invalid):
        table(faulty)


# --- compiling ----------------------------------------------------------------------------


def many(count: int, last: str = "/last") -> Service:
    paths = [f"/r{number}" for number in range(count - 1)] + [last]
    return replace(CANARY, routes=tuple(route(path[1:], When(path=Text(prefix=path))) for path in paths))


def copied(*services: Service) -> Rules:
    """Equal rules that share no object with ours, as after a journey from the brain to a worker."""
    rules: Rules = pickle.loads(pickle.dumps(Rules(services={each.name: each for each in services})))
    return rules


def test_a_table_is_compiled_in_slices_and_is_there_only_at_the_end() -> None:
    compiling = Compiling(copied(many(1000)), Registry())
    assert sum(1 for _ in compiling) >= 1000 // SLICE_ROUTES
    assert plan(compiling.table, "/r998/x").lane.route == "r998"
    with pytest.raises(Invalid):
        _ = Compiling(copied(BLUE), Registry()).table


def test_only_what_changed_is_compiled_again() -> None:
    registry = Registry()
    previous = Table.compile(copied(many(300), service("blog", "blog")), registry)
    compiling = Compiling(copied(many(300, last="/new"), service("blog", "blog")), registry, previous=previous)
    assert sum(1 for _ in compiling) >= 3
    assert compiling.table.junctions["blog"] is previous.junctions["blog"]
    assert plan(compiling.table, "/new").lane.route == "new"
    assert plan(previous, "/new").lane.route == ""


def test_nothing_changed_means_nothing_compiled() -> None:
    previous = Table.compile(copied(many(300)), Registry())
    compiling = Compiling(copied(many(300)), Registry(), previous=previous)
    assert sum(1 for _ in compiling) >= 3
    assert compiling.table.fleets() == previous.fleets()


def test_a_name_that_resolves_anew_is_a_change() -> None:
    named = replace(BLUE, versions={"blue": Version(targets=("http://blue:80",))})
    registry, texts = Registry(), "http://blue:80"
    previous = Table.compile(copied(named), registry, {texts: (Address("http", "10.0.0.1", 80),)})
    compiling = Compiling(
        copied(named), registry, endpoints={texts: (Address("http", "10.0.0.2", 80),)}, previous=previous
    )
    assert list(compiling) == []
    assert [target.address.host for target in compiling.table.targets()] == ["10.0.0.2"]


def lines_run(compiled: Table, target: str) -> int:
    """How many lines of Python one plan runs through."""
    request, lines = Request.of(target=target, host="shop.example.com", headers=[("cookie", "session=1")]), 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        compiled.plan(request, DICE, 0.0)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("target", ["/last", "/last/one/two", "/none/of/them"])
def test_ten_thousand_routes_are_looked_up_with_the_work_of_one(target: str) -> None:
    assert lines_run(table(many(10_000)), target) == lines_run(table(many(1)), target)
