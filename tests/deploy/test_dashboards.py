"""Alerts and dashboards ask only for metrics that are really exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from proxy.observe.metrics import Collector, Vitals
from proxy.observe.totals import Totals

MONITORING = Path(__file__).parents[2] / "deploy" / "kubernetes" / "monitoring"
_METRIC = re.compile(r"\bshunt_[a-z_]+\b")
_LABELS = re.compile(r"(shunt_[a-z_]+)\{([^}]*)\}")


def exported() -> set[str]:
    """Every name under which Prometheus finds something of Shunt's."""
    names: set[str] = set()
    for family in Collector(Totals().snapshot(), Vitals()).collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + ending for ending in endings}
    return names


def alerts() -> Iterator[tuple[str, str]]:
    """Every alert's name and expression."""
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def panels() -> Iterator[tuple[str, str]]:
    """Every panel's title and each of its expressions."""
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("name", "expression"), [*alerts(), *panels()])
def test_every_expression_names_metrics_that_exist(name: str, expression: str) -> None:
    asked = set(_METRIC.findall(expression))
    assert asked <= exported(), name
    assert asked or "up{" in expression


def test_every_label_that_is_filtered_by_belongs_to_a_service() -> None:
    known = {"service", "status_class", "verdict", "version"}
    for _, expression in (*alerts(), *panels()):
        for _, labels in _LABELS.findall(expression):
            assert {label.partition("=")[0].strip() for label in labels.split(",")} <= known


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("info", "warning", "critical")
            assert {"summary", "description"} <= rule["annotations"].keys()


def test_panels_have_names_places_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells
