"""Every verb through the admin API: what it does, what it prints, how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from control.fake_planes import rules

from cli.conftest import Running
from proxy.cli import VERBS, shunt
from proxy.ledger import By

Call = Callable[..., Result]


def colour(running: Running) -> str:
    found = running.planes.present[1].services["shop"].blue_green
    assert found is not None
    return found.active


def test_switch_moves_the_colour_and_says_what_is_left(call: Call, running: Running) -> None:
    running.planes.busy = {("shop", "blue"): 3}
    result = call("switch", "shop", "green", "--why", "release 7")
    assert result.exit_code == 0
    assert "switch shop green (revision 2), 3 still in flight" in result.output
    assert "routes that keep their own: shop/api, shop/split" in result.output
    assert colour(running) == "green"
    entry = running.control.store.ledger.entries[-1]
    assert entry.why == "release 7"
    assert "@" in entry.who


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_read_json_and_yaml(call: Call, output: str) -> None:
    result = call("switch", "shop", "green", "--output", output)
    answer = yaml.safe_load(result.stdout)
    assert (answer["revision"], answer["changed"]) == (2, True)
    status = yaml.safe_load(call("status", "-o", output).stdout)
    assert status["services"][1]["strategies"][0]["percent"] == {"green": 100.0}


def test_a_refusal_exits_with_1_and_the_reason(call: Call, running: Running) -> None:
    running.health.dead = {"green"}
    result = call("switch", "shop", "green")
    assert result.exit_code == 1
    assert "green has no healthy target" in result.stderr
    assert call("switch", "shop", "green", "--force").exit_code == 0
    assert call("switch", "nope", "green").exit_code == 1
    assert call("switch", "shop", "blue", "--expecting", "99").exit_code == 1
    assert colour(running) == "green"


def test_wrong_usage_and_invalid_values_exit_with_2(call: Call) -> None:
    assert call("switch", "shop").exit_code == 2
    assert call("weight", "shop/api", "many").exit_code == 2
    assert call("weight", "shop/api", "140").exit_code == 2
    assert call("hold", "shop", "--max", "soon").exit_code == 2
    assert call("drain", "shop").exit_code == 2


def test_a_bound_that_is_reached_exits_with_3(call: Call, running: Running) -> None:
    running.planes.busy = {("shop", "blue"): 3, ("shop", "teal"): 1}
    result = call("hold", "shop", "--max", "10s", "--for", "30s", "--wait", "0s")
    assert result.exit_code == 3
    assert "3" in result.output
    assert call("drain", "shop/teal", "--wait", "50ms").exit_code == 3
    assert call("switch", "shop", "green", "--wait", "50ms").exit_code == 3


@pytest.mark.parametrize("admin", ["127.0.0.1:1", "unix:/nonexistent/admin.sock"])
def test_nobody_there_exits_with_4(admin: str) -> None:
    result = CliRunner().invoke(shunt, ["status", "--admin", admin])
    assert result.exit_code == 4
    assert "no answer from the admin API" in result.stderr


def test_weights_by_percentage_and_by_version(call: Call, running: Running) -> None:
    assert call("weight", "shop/api", "25%").exit_code == 0
    assert call("weight", "shop/split", "blue=1,green=1,teal=2").exit_code == 0
    api, split, _ = running.planes.present[1].services["shop"].routes
    assert api.canary is not None
    assert split.canary is not None
    assert api.canary.weight == 25
    assert split.canary.weights == {"blue": 1, "green": 1, "teal": 2}


def test_hold_release_drain_undo_and_reset(call: Call, running: Running) -> None:
    assert call("hold", "shop", "--max", "250ms", "--for", "1m").exit_code == 0
    assert running.planes.holds == {"shop": (0.25, 60.0)}
    assert "on hold" in call("status").output
    assert call("release", "shop").exit_code == 0
    assert call("drain", "shop/blue@http://blue:80").exit_code == 0
    assert running.planes.present[1].services["shop"].drained == ("blue@http://blue:80",)
    assert "1 drained, 1 unchecked" in call("status").output
    assert call("drain", "shop/blue@http://blue:80", "--back").exit_code == 0
    assert call("switch", "shop", "green").exit_code == 0
    assert call("undo", "shop").exit_code == 0
    assert colour(running) == "blue"
    assert call("switch", "shop", "green").exit_code == 0
    assert call("reset", "shop").exit_code == 0
    assert running.planes.present[1] == rules()
    assert call("switch", "shop", "blue").output.startswith("switch shop blue: already so")


def test_the_ledger_is_printed_newest_first_with_words_as_they_were(call: Call, running: Running) -> None:
    running.do(running.control.switch("shop", "green", By("ann@desk", "switch shop green", "see [bold]\x1b[31m")))
    call("undo")
    lines = [line for line in call("log").output.splitlines() if "@" in line]
    assert "undo" in lines[0]
    assert "switch shop green (taken back by 3)" in lines[1]
    assert "see [bold] [31m" in lines[1]
    (entry,) = json.loads(call("log", "--limit", "1", "-o", "json").stdout)["entries"]
    assert entry["what"] == "undo switch shop green"


def test_a_broken_file_and_a_colour_that_is_waited_for_are_shown(call: Call, running: Running) -> None:
    running.health.dead = {"green"}
    running.do(running.control.reload(rules("green"), "rules.yaml"))
    running.control.condition.faults = ("rules.yaml:14: 140 is not between 0 and 100",)
    output = call("status").output
    assert "waiting for green" in output
    assert "rules: rules.yaml:14: 140 is not between 0 and 100 (the last good rules are in force)" in output


def test_an_export_can_be_committed_and_loaded_again(call: Call, running: Running, tmp_path: Path) -> None:
    call("switch", "shop", "green")
    call("weight", "shop/api", "25")
    (tmp_path / "rules.yaml").write_text(call("export").stdout)
    checked = call("check", str(tmp_path / "rules.yaml"))
    assert (checked.exit_code, checked.output) == (0, f"{tmp_path}/rules.yaml: good\n")
    from proxy import config

    assert config.load(tmp_path / "rules.yaml") == running.planes.present[1]
    assert json.loads(call("export", "-o", "json").stdout)["services"]["shop"]["blue_green"] == {"active": "green"}


def test_explain_asks_the_proxy_or_a_file(call: Call, tmp_path: Path) -> None:
    asked = ["--host", "shop.example", "--path", "/x?y=1", "-H", "x-beta: true", "--identity", "ann"]
    result = call("explain", *asked)
    assert result.exit_code == 0
    assert "service shop" in result.output
    (tmp_path / "rules.yaml").write_text(call("export").stdout)
    offline = CliRunner().invoke(shunt, ["explain", "--rules", str(tmp_path / "rules.yaml"), *asked])
    assert offline.output == result.output
    assert json.loads(call("explain", *asked, "-o", "json").stdout)["service"] == "shop"
    assert call("explain", "--path", "x").exit_code == 2
    assert call("explain", "--rules", str(tmp_path / "missing.yaml")).exit_code == 2


def test_check_names_every_fault_and_exits_with_2(call: Call, tmp_path: Path) -> None:
    bad = tmp_path / "rules.yaml"
    bad.write_text(
        "services:\n  shop:\n    hosts: ['*']\n    versions: {a: http://a:1}\n    rollin: {}\n    colour: 1\n"
    )
    result = call("check", str(bad))
    assert result.exit_code == 2
    assert f"{bad}:5" in result.output
    assert f"{bad}:6" in result.output
    (checked,) = json.loads(call("check", str(bad), "-o", "json").stdout)
    assert not checked["valid"]


@pytest.mark.parametrize("which", ["rules", "settings"])
def test_schemas_are_printed(call: Call, which: str) -> None:
    assert "$schema" in json.loads(call("schema", which).stdout)


def test_a_token_opens_the_door_and_a_wrong_one_does_not(start: Callable[..., Running]) -> None:
    running = start(token="secret")
    switch = ["switch", "shop", "green", "--admin", running.address]
    for token in ("", "wrong"):
        result = CliRunner().invoke(shunt, switch, env={"SHUNT_ADMIN_TOKEN": token})
        assert result.exit_code == 1
    assert colour(running) == "blue"
    assert CliRunner().invoke(shunt, switch, env={"SHUNT_ADMIN_TOKEN": "secret"}).exit_code == 0


def test_a_unix_socket_and_a_url_are_addresses_too(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(f"unix:{tmp_path}/admin.sock")
    assert CliRunner().invoke(shunt, ["status", "--admin", running.address]).exit_code == 0
    other = start()
    assert CliRunner().invoke(shunt, ["status", "--admin", f"http://{other.address}"]).exit_code == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    result = CliRunner().invoke(shunt, [verb, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def test_a_number_out_of_its_bounds_is_told_with_the_bound(call: Call, running: Running) -> None:
    over = call("weight", "shop/api", "140")
    assert (over.exit_code, over.stderr) == (2, "Error: weight: 140 is above 100\n")
    assert "max_seconds: 0 is not above 0" in call("hold", "shop", "--max", "0s").stderr


def test_a_mistyped_verb_is_told_the_one_that_was_meant() -> None:
    result = CliRunner().invoke(shunt, ["swich", "shop", "green"])
    assert result.exit_code == 2
    assert "Did you mean 'switch'?" in result.stderr


@pytest.mark.parametrize("admin", ["bogus", "host:port", "127.0.0.1", "https://127.0.0.1:9901"])
def test_an_admin_address_that_is_none_is_wrong_usage(admin: str) -> None:
    result = CliRunner().invoke(shunt, ["status", "--admin", admin])
    assert result.exit_code == 2
    assert "--admin" in result.stderr
