"""A control plane over workers in memory."""

from __future__ import annotations

import pytest
from fake_planes import FakeHealth, FakePlanes

from proxy.control.changes import Surroundings
from proxy.control.door import Control
from proxy.rules import Route, Rules, Service, Version
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary
from proxy.strategies.rolling import Rolling

VERSIONS = {name: Version(targets=(f"http://{name}:80", f"http://{name}:81")) for name in ("blue", "green", "teal")}


def rules(active: str = "blue", weight: float = 10.0) -> Rules:
    api = Route(name="api", canary=Canary(stable="blue", candidate="green", weight=weight))
    split = Route(name="split", canary=Canary(weights={"blue": 80.0, "green": 20.0}))
    shop = Service(
        name="shop",
        hosts=("shop.example",),
        versions=VERSIONS,
        blue_green=BlueGreen(active=active),
        routes=(api, split, Route(name="plain")),
    )
    blog = Service(name="blog", hosts=("*",), versions={"v1": VERSIONS["blue"]}, rolling=Rolling(version="v1"))
    return Rules(services={"shop": shop, "blog": blog})


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
