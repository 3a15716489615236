"""What we ship as an example loads, compiles, and pleases an editor."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from proxy.config import check, load, load_settings, schema
from proxy.settings import Settings
from proxy.table import Table
from proxy.targets import Registry
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


def test_the_example_of_settings_shows_the_defaults() -> None:
    found = load_settings(SETTINGS, {})
    assert found == Settings(rules="config/rules.yaml")
    jsonschema_rs.validator_for(schema("settings")).validate(as_editors_read(SETTINGS.read_text()))


def test_check_tells_rules_from_settings() -> None:
    assert check([*RULES, SETTINGS]) == []
