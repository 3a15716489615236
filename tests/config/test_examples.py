"""What we ship as an example loads, compiles, and pleases an editor."""

from __future__ import annotations

from pathlib import Path
from random import Random

import jsonschema_rs
import pytest

from proxy.config import check, load, load_settings, schema
from proxy.config.flags import load_flags
from proxy.flags.asker import Asker
from proxy.model import Request
from proxy.settings import Settings
from proxy.table import Table
from proxy.targets import Registry
from proxy.track import flags_asked
from tests.config.editors import as_editors_read

EXAMPLES = Path(__file__).parents[2] / "config"
SETTINGS = EXAMPLES / "shunt.yaml"
RULES = sorted(set(EXAMPLES.glob("*.yaml")) - {SETTINGS})


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_example_of_rules_loads_and_compiles(path: Path) -> None:
    Table.compile(load(path), Registry())


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_example_of_rules_pleases_an_editor(path: Path) -> None:
    jsonschema_rs.validator_for(schema("rules")).validate(as_editors_read(path.read_text()))


@pytest.mark.parametrize("strategy", ["rolling", "blue_green", "canary", "flags", "shadow", "progressive"])
def test_every_strategy_has_an_example(strategy: str) -> None:
    path = EXAMPLES / f"{strategy.replace('_', '-')}.yaml"
    assert any(getattr(service, strategy) for service in load(path).services.values())


def test_the_example_of_flags_loads_and_its_rules_ask_nothing_else() -> None:
    asker = Asker(load_flags(str(EXAMPLES / "flags"), {}), lambda: 0.0)
    assert sorted(asker.flags.flags) == ["NEW_FEATURE_ENABLED", "new-checkout", "theme"]
    rules = load(EXAMPLES / "flags.yaml")
    for service in rules.services.values():
        assert {*flags_asked(service), *service.flag_headers} <= asker.flags.flags.keys()
    request = Request.of(host="checkout.example.com", headers=[("x-user-email", "ann@example.com")])
    plan = Table.compile(rules, Registry(), flags=asker).plan(request, Random(1), 0.0)
    assert b"theme=dark" in plan.flag_lines


def test_the_example_of_settings_shows_the_defaults() -> None:
    found = load_settings(SETTINGS, {})
    assert found == Settings(rules="config/rules.yaml")
    jsonschema_rs.validator_for(schema("settings")).validate(as_editors_read(SETTINGS.read_text()))


def test_check_tells_rules_from_settings() -> None:
    assert check([*RULES, SETTINGS]) == []
