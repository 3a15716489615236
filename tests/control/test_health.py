"""Active checks: who is told what, and when."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.control.health import MOST_AT_ONCE, Checks, Place, Pulse
from proxy.rules import Health, Rules, Service, Version
from proxy.strategies.rolling import Rolling
from proxy.targets import Address

HEALTH = Health(every=0.01, up_after=2, down_after=3)


def verdicts(faults: list[str], health: Health = HEALTH) -> list[bool | None]:
    """What a pulse says after each of these checks."""
    pulse = Pulse()
    found = []
    for fault in faults:
        pulse.note(fault, health)
        found.append(pulse.is_well)
    return found


def test_the_first_good_check_is_enough_to_begin_with() -> None:
    assert verdicts([""]) == [True]


def test_a_target_goes_down_after_so_many_failures_in_a_row() -> None:
    assert verdicts(["", "x", "x", "", "x", "x", "x"]) == [True, True, True, True, True, True, False]


def test_a_target_comes_back_after_so_many_successes_in_a_row() -> None:
    assert verdicts(["x", "x", "x", "", "x", "", ""]) == [None, None, False, False, False, False, True]


@given(st.lists(st.sampled_from(["", "x"]), max_size=50), st.integers(1, 4), st.integers(1, 4))
def test_nobody_is_told_the_same_twice(faults: list[str], up_after: int, down_after: int) -> None:
    pulse, told = Pulse(), []
    for fault in faults:
        if pulse.note(fault, Health(up_after=up_after, down_after=down_after)):
            told.append(pulse.is_well)
    assert all(one is not other for one, other in pairwise(told))


class Told:
    """The planes, as far as they hear of health."""

    def __init__(self) -> None:
        self.healthy: dict[Place, bool] = {}
        self.kept: set[Place] = set()
        self.moved = asyncio.Event()

    async def set_health(self, service: str, version: str, address: str, *, healthy: bool) -> None:
        self.healthy[service, version, address] = healthy
        self.moved.set()

    def forget_health(self, kept: set[Place]) -> None:
        self.kept = kept

    async def wait(self, healthy: dict[Place, bool]) -> None:
        """Return once this is what they were told."""
        async with asyncio.timeout(10):
            while self.healthy != healthy:
                self.moved.clear()
                await self.moved.wait()


class World:
    """Targets that are well or not, and how many are asked at the same time."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0

    async def check(self, address: Address, health: Health) -> str:
        self.asked[str(address)] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return "it is down" if str(address) in self.down else ""


def rules(*targets: str, health: Health | None = HEALTH) -> Rules:
    """One service with these targets."""
    shop = Service(
        name="shop",
        hosts=("*",),
        versions={"v1": Version(targets=targets)},
        rolling=Rolling(version="v1"),
        health=health,
    )
    return Rules(services={"shop": shop})


async def test_workers_hear_of_every_target_that_goes_down_and_comes_back() -> None:
    told, world = Told(), World()
    checks = Checks(world.check, random.Random(1))
    one, other = "http://127.0.0.1:1", "http://127.0.0.1:2"
    checks.use(rules(one, other), {})
    running = asyncio.create_task(checks.run(told))
    await told.wait({("shop", "v1", one): True, ("shop", "v1", other): True})
    world.down = {one}
    await told.wait({("shop", "v1", one): False, ("shop", "v1", other): True})
    assert checks.verdicts()["shop", "v1", one] is False
    world.down = set()
    await told.wait({("shop", "v1", one): True, ("shop", "v1", other): True})
    running.cancel()


async def test_a_name_is_checked_at_each_of_its_addresses() -> None:
    told, world = Told(), World()
    checks = Checks(world.check, random.Random(1))
    running = asyncio.create_task(checks.run(told))
    await asyncio.sleep(0)
    addresses = (Address("http", "127.0.0.1", 1), Address("http", "127.0.0.2", 1))
    checks.use(rules("http://app:1"), {"http://app:1": addresses})
    await told.wait({("shop", "v1", str(address)): True for address in addresses})
    checks.use(rules("http://app:1"), {"http://app:1": addresses[1:]})
    assert told.kept == {("shop", "v1", "http://127.0.0.2:1")}
    assert set(checks.verdicts()) == told.kept
    running.cancel()


async def test_without_health_nothing_is_asked() -> None:
    world = World()
    checks = Checks(world.check, random.Random(1))
    checks.use(rules("http://127.0.0.1:1", health=None), {})
    assert checks.verdicts() == {}


async def test_many_targets_are_never_asked_all_at_once() -> None:
    told, world = Told(), World()
    checks = Checks(world.check, random.Random(1))
    targets = [f"http://127.0.0.1:{port}" for port in range(1, 200)]
    checks.use(rules(*targets), {})
    running = asyncio.create_task(checks.run(told))
    await told.wait({("shop", "v1", target): True for target in targets})
    assert world.most <= MOST_AT_ONCE
    running.cancel()
