"""Rules mean what they look like; what they cannot mean is said with line and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.conditions import Text, When
from proxy.config import Faults, Source, load, rules
from proxy.rules import Route, Service
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.rolling import Rolling

FRAME = """
services:
  shop:
    hosts: shop.example.com
    versions: {blue: "http://b:1", green: "http://g:1", next: "http://n:1"}
"""


def service(extra: str, name: str = "shop") -> Service:
    return rules([Source("rules.yaml", (FRAME + _indented(extra)).encode())]).services[name]


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def faults(extra: str) -> list[str]:
    with pytest.raises(Faults) as caught:
        service(extra)
    return [str(fault) for fault in caught.value.faults]


def when(text: str) -> When:
    flags = service(f"rolling: blue\nflags: [{{name: f, version: next, when: {text}}}]").flags
    assert flags is not None
    return flags[0].when


# --- short forms --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("{path: /x}", "{path: {exact: /x}}"),
        ("{method: GET}", "{method: [GET]}"),
        ('{header: {x-beta: "true"}}', '{header: {x-beta: {exact: "true"}}}'),
        ("{header: {x-beta: true}}", '{header: {x-beta: {exact: "true"}}}'),
        ("{cookie: {beta: 1}}", '{cookie: {beta: {exact: "1"}}}'),
        ("{query: {v: 1.10}}", '{query: {v: {exact: "1.10"}}}'),
        ("{client: 10.0.0.0/8}", "{client: [10.0.0.0/8]}"),
        ("{flag: {new: on}}", '{flag: {new: "on"}}'),
        ("{percent: 5%}", "{percent: 5}"),
        ("{any: {path: /x}}", "{any: [{path: {exact: /x}}]}"),
        ("{not: {method: GET}}", "{not: {method: [GET]}}"),
    ],
)
def test_a_short_condition_means_its_long_form(short: str, long: str) -> None:
    assert when(short) == when(long) != When()


def test_one_version_without_strategy_needs_no_more() -> None:
    found = rules([Source("r", b"services: {blog: {hosts: blog.example.com, versions: {v1: http://blog:8080}}}")])
    blog = found.services["blog"]
    assert blog.hosts == ("blog.example.com",)
    assert blog.versions["v1"].targets == ("http://blog:8080",)


def test_short_strategies_mean_their_long_forms() -> None:
    assert service("rolling: blue").rolling == Rolling(version="blue")
    assert service("blue_green: green").blue_green == BlueGreen(active="green")
    shadow = service("rolling: blue\nshadow: next").shadow
    assert shadow is not None
    assert (shadow[0].version, shadow[0].percent) == ("next", 100.0)


def test_a_version_may_have_one_target_or_a_list_of_them() -> None:
    text = (
        b"services: {a: {hosts: a, versions: {x: http://a:1}}, b: {hosts: b, versions: {x: [http://a:1, http://b:1]}}}"
    )
    found = rules([Source("r", text)]).services
    assert [len(found[name].versions["x"].targets) for name in "ab"] == [1, 2]


def test_an_emptied_section_is_no_section() -> None:
    assert service("rolling: blue\nflags:\n#  - {name: gone}").flags is None


def test_an_emptied_condition_never_means_everybody() -> None:
    assert faults("rolling: blue\nroutes:\n  - name: a\n    match:") == [
        "rules.yaml:9: services.shop.routes[0].match: has no value; give it one, or take it out"
    ]
    assert any(
        "when.header.x-beta" in fault for fault in faults("flags: {name: a, version: blue, when: {header: {x-beta: }}}")
    )


# --- inheritance --------------------------------------------------------------------------


def route(extra: str) -> Route:
    return service(extra).routes[0]


def test_a_route_adds_to_the_timeouts_of_its_service_key_by_key() -> None:
    timeouts = route(
        "rolling: blue\ntimeouts: {connect: 2s, response: 9s}\nroutes: [{name: a, timeouts: {response: 5s}}]"
    ).timeouts
    assert timeouts is not None
    assert (timeouts.connect, timeouts.response, timeouts.idle) == (2.0, 5.0, 60.0)


def test_a_route_adds_to_the_header_edits_of_its_service() -> None:
    text = """rolling: blue
headers: {request: {set: {x-a: 1, x-b: 1}, remove: x-c}}
routes: [{name: a, headers: {request: {set: {X-B: 2}}}}]"""
    headers = route(text).headers
    assert headers is not None
    assert headers.request.set == {"x-a": "1", "X-B": "2"}
    assert headers.request.remove == ("x-c",)


def test_a_route_that_says_nothing_has_nothing_of_its_own() -> None:
    assert route("rolling: blue\ntimeouts: {connect: 2s}\nroutes: {name: a}").timeouts is None


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("canary: {stable: blue, candidate: green, weight: 140}", "canary.weight: 140 is not between 0 and 100"),
        ("canary: {stable: blue, candidate: gren, weight: 1}", "canary.candidate: there is no version gren; did you"),
        ("canary: {stable: blue, candidate: green}", "canary: lacks weight"),
        ("canary: {stable: blue, candidate: blue, weight: 1}", "canary.candidate: stable and candidate are both blue"),
        ("canary: {weights: {blue: 0, green: 0}}", "canary.weights: all weights are 0"),
        ("canary: {weights: {blue: -1, green: nan}}", "canary.weights.blue: -1 is not a weight"),
        ("canary: {weights: {blue: 1}, weight: 1}", "canary.weights: stands beside weight"),
        ("canary: {weights: {blue: 1}, flag: new}", "canary.weights: stands beside flag"),
        ("canary: {stable: blue, candidate: green, flag: new, weight: 1}", "canary.flag: stands beside weight"),
        ("canary: {stable: blue, candidate: green, flag: new}", "canary.flag: has nobody to ask for: the service has"),
        ("rolling: blue\nblue_green: blue", "blue_green: stands beside rolling"),
        ("timeouts: {connect: 1s}", "shop: has 3 versions and nothing says which one answers"),
        ("routes: [{name: a}]", "routes[0]: nothing says which version answers"),
        ("rollin: blue", "rollin: unknown key; did you mean 'rolling'?"),
        ("name: x", "name: a service is named by its key"),
        ("rolling: blue\nroutes: [{name: a}, {name: a}]", "routes[1].name: there are two routes a"),
        ("rolling: blue\nroutes: [{match: {}}]", "routes[0].name: is missing"),
        ("rolling: blue\nretries: {attempts: 0}", "retries.attempts: 0 is below 1"),
        ("rolling: blue\nretries: {on: connet}", "retries.on[0]: connet is not possible here; did you mean 'connect'?"),
        ("rolling: blue\nretries: {attempts: many}", "retries.attempts: many is not a whole number"),
        ("rolling: blue\nrescue: maybe", "rescue: maybe is neither true nor false"),
        ("rolling: blue\ntimeouts: {connect: soon}", "timeouts.connect: 'soon' is not a duration such as"),
        ("rolling: blue\ntimeouts: 5", "timeouts: 5 is not a mapping"),
        ("rolling: blue\nidentity: [mint, client]", "identity[0]: mint is not last"),
        ("rolling: blue\nidentity: heder", "identity[0]: 'heder' is not an identity; did you mean 'header'?"),
        ("rolling: blue\nidentity: cookie", "identity[0]: 'cookie' is not an identity; write header:<name>"),
        ("rolling: blue\nidentity: 'header:a b'", "identity[0]: 'a b' is not the name of a header"),
        ("rolling: blue\ndrained: [red]", "drained[0]: there is no version red"),
        ("rolling: blue\nhealth: healthz", "health.path: 'healthz' does not begin with /; write /healthz"),
        ("rolling: blue\nrewrite: {prefix: /}", "rewrite.prefix: there is no matched prefix to replace"),
        ("rolling: blue\nroutes: [{name: a, match: {path: {regex: /x}}, rewrite: {prefix: /}}]", "rewrite.prefix:"),
        ("rolling: blue\nredirect: {status: 301}", "redirect: leads nowhere else"),
        ("rolling: blue\nredirect: {scheme: https, status: 200}", "redirect.status: 200 is not possible here; use"),
        ("rolling: blue\nredirect: {port: 70000}", "redirect.port: 70000 is not a port"),
        ("rolling: blue\nheaders: {request: {set: {Connection: x}}}", "request.set.Connection: Connection belongs to"),
        ("rolling: blue\nheaders: {request: {set: {host: x}}}", "request.set.host: Host is not edited as a header"),
        ("rolling: blue\nheaders: {response: {add: {x: \"a\\r\\nb\"}}}", "response.add.x: has a control character"),
        ("rolling: blue\nheaders: {response: {remove: 'a b'}}", "response.remove[0]: 'a b' is not the name"),
        ("rolling: blue\nshadow: {version: next, percent: 101}", "shadow[0].percent: 101 is not between 0 and 100"),
        ("rolling: blue\nshadow: {version: next, host: 'a b'}", "shadow[0].host: 'a b' is not a host"),
        ("rolling: blue\nprogressive: {steps: []}", "progressive: has nothing to move"),
        ("rolling: blue\nflags: [&f {name: a, when: {}, version: blue}, *f]", "flags[1].name: there are two"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_cure(written: str, expected: str) -> None:
    found = faults(written)
    assert any(expected in fault for fault in found), found
    assert all("; " in fault for fault in found)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{path: x}", "path.exact: 'x' does not begin with /"),
        ("{path: /x?y=1}", "path.exact: '/x?y=1' has more than a path"),
        ("{path: {regex: '(a'}}", "path.regex: '(a' is not a regular expression of RE2"),
        ("{path: {regex: '(a)\\1'}}", "path.regex:"),
        ("{path: {present: true}}", "path.present: a path is always present"),
        ("{header: {x: {}}}", "header.x: compares with nothing"),
        ("{header: {x: {exact: a, prefix: b}}}", "header.x: has exact and prefix"),
        ("{header: {x: [a, b]}}", "header.x"),
        ("{header: {'a b': 1}}", "header.a b: 'a b' is not a name that can come"),
        ("{header: {x: 1, X: 2}}", "header.X: is the same header as x"),
        ("{client: 10.0.0.0/33}", "client[0]: '10.0.0.0/33' is not a network"),
        ("{method: 'GE T'}", "method[0]: 'GE T' is not a method"),
        ("{any: []}", "any: is an empty list"),
        ("{not: {any: [{path: x}]}}", "not.any[0].path.exact"),
        ("{heder: {}}", "heder: unknown key; did you mean 'header'?"),
        ("{percent: -1}", "percent: -1 is not between 0 and 100"),
    ],
)
def test_a_condition_that_cannot_be_met_is_named(written: str, expected: str) -> None:
    found = faults(f"rolling: blue\nflags: [{{name: f, version: next, when: {written}}}]")
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(
    "target",
    ["https://a:1", "k8s://ns/svc:80", "a:80", "http://", "http://a:99999", "http://a:0", "http://a b:1", "unix://x", "ftp://a"],
)  # fmt: skip
def test_a_target_that_nobody_can_connect_to_is_named(target: str) -> None:
    with pytest.raises(Faults, match=r"services\.a\.versions\.v\.targets\[0\]"):
        rules([Source("r", f"services: {{a: {{hosts: a, versions: {{v: '{target}'}}}}}}".encode())])


@pytest.mark.parametrize("host", ["http://a", "a/b", "a:80", "::1", "a.", "ä.example", "*a.example", "a.*", "a b", ""])
def test_a_host_that_no_request_has_is_named(host: str) -> None:
    with pytest.raises(Faults, match=r"services\.a\.hosts\[0\]"):
        rules([Source("r", f"services: {{a: {{hosts: '{host}', versions: {{v: http://a:1}}}}}}".encode())])


@pytest.mark.parametrize("host", ["a", "A.example", "*.a.example", "*", "10.0.0.7", "[::1]", "my_service"])
def test_a_host_that_requests_have_is_taken(host: str) -> None:
    assert rules([Source("r", f"services: {{a: {{hosts: '{host}', versions: {{v: http://a:1}}}}}}".encode())]).services


def test_every_fault_of_a_file_is_named_at_once_in_the_order_of_its_lines() -> None:
    found = faults(
        "rolling: red\nretries: {attempts: 0}\ntimeouts: {conect: 1s, idle: x}\nroutes: [{name: a, match: {path: x}}]"
    )
    assert [fault.split(":")[1] for fault in found] == ["6", "7", "8", "8", "9"]


# --- several files ------------------------------------------------------------------------


def shop(host: str) -> str:
    return f"services:\n  {host}:\n    hosts: {host}\n    versions: {{v: http://a:1}}\n"


def test_the_files_of_a_directory_are_merged(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(shop(name))
    (tmp_path / ".hidden.yaml").write_text("{")
    (tmp_path / "notes.txt").write_text("{")
    assert list(load(tmp_path).services) == ["a", "b"]


def test_a_service_defined_twice_names_both_places(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(shop("x"))
    with pytest.raises(Faults) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/b.yaml:2: services.x: is defined in {tmp_path}/a.yaml:2 too; keep one of them"
    )


def test_a_host_claimed_twice_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(shop("a"))
    (tmp_path / "b.yaml").write_text(shop("b").replace("hosts: b", "hosts: A"))
    with pytest.raises(Faults, match=r"b.yaml:3: services.b.hosts\[0\]: A is claimed by services.a too \(.*a.yaml:3\)"):
        load(tmp_path)


def test_the_faults_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(shop("a") + "    bogus: 1\n")
    (tmp_path / "b.yaml").write_text("{")
    (tmp_path / "c.yaml").write_text("listen: x\n" + shop("c"))
    with pytest.raises(Faults) as caught:
        load(tmp_path)
    assert [Path(fault.file).name for fault in caught.value.faults] == ["a.yaml", "b.yaml", "c.yaml"]


@pytest.mark.parametrize("text", ["", "# all gone\n", "{}", "\n"])
def test_a_file_that_says_nothing_is_no_order_to_stop_everything(text: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(Faults, match="says nothing"):
        load(tmp_path / "rules.yaml")


def test_no_services_must_be_said_aloud() -> None:
    assert rules([Source("r", b"services: {}")]).services == {}


def test_what_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Faults, match="is not there"):
        load(tmp_path / "none.yaml")
    with pytest.raises(Faults, match=r"has no \*.yaml file"):
        load(tmp_path)


def test_a_mounted_config_map_is_read_from_behind_its_link(tmp_path: Path) -> None:
    revision = tmp_path / "..2026_11_22"
    revision.mkdir()
    (revision / "rules.yaml").write_text(shop("a"))
    (tmp_path / "..data").symlink_to(revision.name)
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    assert list(load(tmp_path).services) == ["a"]


def test_a_file_beside_the_links_of_a_config_map_counts_too(tmp_path: Path) -> None:
    revision = tmp_path / "..2026_11_22"
    revision.mkdir()
    (revision / "rules.yaml").write_text(shop("a"))
    (tmp_path / "..data").symlink_to(revision.name)
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    (tmp_path / "gone.yaml").symlink_to("..data/gone.yaml")
    (tmp_path / "extra.yaml").write_text(shop("b"))
    assert sorted(load(tmp_path).services) == ["a", "b"]


def test_a_fraction_of_the_targets_that_may_rest_is_asked_for_in_percent() -> None:
    assert faults("rolling: blue\neject: {max: 0.5}") == [
        "rules.yaml:7: services.shop.eject.max: 0.5 would be 0.5 %; write 50%"
    ]
    assert service("rolling: blue\neject: {max: 0.5%}").eject.max == 0.5


def test_conditions_keep_their_texts() -> None:
    assert when("{header: {user-agent: {regex: '.*Firefox.*'}, x-debug: {present: true}}}").header == {
        "user-agent": Text(regex=".*Firefox.*"),
        "x-debug": Text(present=True),
    }
