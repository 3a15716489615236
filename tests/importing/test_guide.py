"""The examples of the deployment guide, each as it is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from importing.bringing import bring, loaded, only, remarks, verdict
from proxy.config.flags import load_flags
from proxy.importing.gathering import Imported

GUIDE = Path(__file__).parent / "guide"
NAMES = ("rolling", "blue_green", "canary", "flags", "shadow", "progressive")


def guide(name: str) -> Imported:
    return bring((GUIDE / f"{name}.yaml").read_text())


def test_ninety_to_ten_stays_ninety_to_ten() -> None:
    found = guide("canary")
    service = only(found)
    assert service.hosts == ("my-app.example.com",)
    assert service.canary is not None
    assert (service.canary.stable, service.canary.candidate, service.canary.weight) == ("stable", "canary", 10.0)
    assert service.versions["canary"].targets == ("http://my-app-canary:80",)
    assert verdict(found, "spec.http[0].route[1].weight") == "taken over"


def test_a_mirror_in_a_rule_of_its_own_is_read_as_meant_and_remarked() -> None:
    found = guide("shadow")
    service = only(found)
    assert service.rolling is not None
    assert service.rolling.version == "stable"
    assert service.shadow is not None
    assert [shadow.version for shadow in service.shadow] == ["shadow"]
    assert "not quite valid" in remarks(found)


def test_the_steps_of_a_rollout_come_word_for_word() -> None:
    found = guide("progressive")
    progressive = only(found).progressive
    assert progressive is not None
    weights = [step.setWeight for step in progressive.steps if step.setWeight is not None]
    pauses = [step.pause.duration for step in progressive.steps if step.pause is not None]
    assert (weights, pauses) == ([20.0, 50.0, 100.0], [600.0, 1800.0])
    assert "without selector and template" in remarks(found)


def test_a_selector_that_was_flipped_to_green_makes_green_the_active_colour() -> None:
    found = guide("blue_green")
    service = only(found)
    assert service.blue_green is not None
    assert service.blue_green.active == "green"
    assert set(service.versions) == {"blue", "green"}
    assert "needs at least one port" in remarks(found)


def test_a_rolling_deployment_becomes_one_version() -> None:
    found = guide("rolling")
    service = only(found)
    assert service.rolling is not None
    assert verdict(found, "spec.strategy.rollingUpdate.maxSurge") == "dropped"
    assert "required in apps/v1" in remarks(found)


def test_a_flags_configmap_is_read_as_it_is() -> None:
    found = guide("flags")
    assert verdict(found, "data.NEW_FEATURE_ENABLED") == "taken over"
    assert loaded(found).services == {}
    assert [flag.key for flag in load_flags(str(GUIDE / "flags.yaml"), {}).sources.plain] == ["NEW_FEATURE_ENABLED"]


def test_all_of_them_together_are_one_service_and_whoever_gives_way_is_told() -> None:
    found = bring(*((GUIDE / f"{name}.yaml").read_text() for name in NAMES))
    service = only(found)
    assert service.progressive is not None
    assert service.shadow is not None
    assert service.hosts == ("my-app.example.com",)
    assert "described more than once: `canary` holds, not `rolling: {version: stable}`" in remarks(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_answered_for(name: str) -> None:
    import yaml

    found = guide(name)
    for path in _leaves(yaml.safe_load((GUIDE / f"{name}.yaml").read_text()), ""):
        assert verdict(found, path), path


def _leaves(value: object, path: str) -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in _leaves(each, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [leaf for index, each in enumerate(value) for leaf in _leaves(each, f"{path}[{index}]")]
    return [path]
