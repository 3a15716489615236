"""The compose file: valid by the Compose Specification, complete, and confined.

`compose-spec.json` is the schema of https://github.com/compose-spec/compose-spec (Apache-2.0), unchanged.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy import config
from proxy.config.environment import variables

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
SCHEMA = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
_VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file as Compose reads it, with the defaults of its variables."""
    text = _VARIABLE.sub(r"\1", (COMPOSE / "compose.yaml").read_text())
    said: dict[str, Any] = yaml.safe_load(text)
    return said


def test_it_is_valid_by_the_specification(compose: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(compose)


def test_everything_to_watch_is_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"shunt", "v1", "v2", "prometheus", "grafana", "locust"}


def test_whatever_is_mounted_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            assert (COMPOSE / source).exists() if source.startswith(".") else source in compose["volumes"], mount


def test_every_container_is_confined_and_reached_from_this_host_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.fullmatch(r".+:(local|v?\d+\.\d+\.\d+)", service["image"])


def test_the_rules_are_good_and_ask_the_versions_that_run(compose: dict[str, Any]) -> None:
    (shop,) = config.load(COMPOSE / "rules").services.values()
    targets = {target for version in shop.versions.values() for target in version.targets}
    assert targets == {"http://v1:3000", "http://v2:3000"}
    assert {"v1", "v2"} <= compose["services"].keys()


def test_settings_in_the_environment_exist(compose: dict[str, Any]) -> None:
    assert compose["services"]["shunt"]["environment"].keys() <= variables().keys()


def test_prometheus_asks_shunt_and_grafana_asks_prometheus() -> None:
    prometheus = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())
    assert prometheus["scrape_configs"][0]["static_configs"][0]["targets"] == ["shunt:9902"]
    (source,) = yaml.safe_load((COMPOSE / "grafana/datasource.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
