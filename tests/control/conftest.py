"""A control plane over workers in memory."""

from __future__ import annotations

import pytest

from control.fake_planes import FakeHealth, FakePlanes, rules
from proxy.control.changes import Surroundings
from proxy.control.door import Control


@pytest.fixture
def planes() -> FakePlanes:
    return FakePlanes()


@pytest.fixture
def health() -> FakeHealth:
    return FakeHealth()


@pytest.fixture
async def control(planes: FakePlanes, health: FakeHealth) -> Control:
    made = Control(planes, Surroundings(probe=health, wall=lambda: 1000.0))
    await made.start(rules(), "rules.yaml")
    return made
