"""Names: followed in the background, kept through failures, never in a request's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from live.faults import name_server

from proxy.control.dns import Directory, name_of
from proxy.control.resolver import Found, Resolver, Unresolved, addresses_in
from proxy.rules import Rules, Service, Version
from proxy.settings import Dns
from proxy.strategies.rolling import Rolling
from proxy.targets import Address


def rules(*targets: str) -> Rules:
    """One service with these targets."""
    versions = {"v1": Version(targets=targets)}
    return Rules(
        services={"shop": Service(name="shop", hosts=("*",), versions=versions, rolling=Rolling(version="v1"))}
    )


class World:
    """A resolver whose names move when told."""

    def __init__(self, **addresses: tuple[str, ...]) -> None:
        self.addresses = addresses
        self.asked = asyncio.Event()

    async def find(self, name: str) -> Found:
        self.asked.set()
        if name not in self.addresses:
            raise Unresolved(f"{name} does not exist")
        return Found(self.addresses[name], 0.0)


@asynccontextmanager
async def following(world: World) -> AsyncIterator[tuple[Directory, asyncio.Event]]:
    """A directory that follows its names, and what is set when one has moved."""
    moved = asyncio.Event()

    async def refresh() -> None:
        moved.set()

    directory = Directory(Dns(min=0.01, max=0.02), world)
    running = asyncio.create_task(directory.run(refresh))
    await asyncio.sleep(0)
    yield directory, moved
    running.cancel()


def at(host: str, port: int = 80) -> Address:
    """An address."""
    return Address("http", host, port)


@pytest.mark.parametrize(
    ("text", "name"),
    [("http://app:80", "app"), ("http://10.0.0.1:80", ""), ("http://[::1]:80", ""), ("unix:///run/app.sock", "")],
)
def test_only_names_are_resolved(text: str, name: str) -> None:
    assert name_of(text) == name


async def test_a_name_is_known_before_its_rules_are_in_force() -> None:
    async with following(World(app=("10.0.0.1", "10.0.0.2"))) as (directory, _):
        found = await directory.endpoints(rules("http://app:8080", "http://10.0.0.9:80"))
        assert found == {"http://app:8080": (at("10.0.0.1", 8080), at("10.0.0.2", 8080))}


async def test_a_name_that_does_not_resolve_has_no_address_and_is_told_of() -> None:
    async with following(World()) as (directory, moved):
        assert await directory.endpoints(rules("http://app:80")) == {"http://app:80": ()}
        assert directory.faults() == ("app does not exist; its targets get no requests",)
        assert not moved.is_set()


async def test_a_name_that_moves_is_noticed() -> None:
    world = World(app=("10.0.0.1",))
    async with following(world) as (directory, moved):
        await directory.endpoints(rules("http://app:80"))
        world.addresses["app"] = ("10.0.0.2",)
        await asyncio.wait_for(moved.wait(), 10)
        assert await directory.endpoints(rules("http://app:80")) == {"http://app:80": (at("10.0.0.2"),)}


async def test_the_last_good_addresses_outlive_a_failure() -> None:
    world = World(app=("10.0.0.1",))
    async with following(world) as (directory, _):
        await directory.endpoints(rules("http://app:80"))
        del world.addresses["app"]
        async with asyncio.timeout(10):
            while not directory.faults():
                world.asked.clear()
                await world.asked.wait()
        assert await directory.endpoints(rules("http://app:80")) == {"http://app:80": (at("10.0.0.1"),)}
        assert directory.faults() == ("app does not exist; its last addresses stay in use",)


async def test_names_that_no_rule_has_any_more_are_forgotten() -> None:
    async with following(World(app=("10.0.0.1",))) as (directory, _):
        await directory.endpoints(rules("http://app:80"))
        await directory.endpoints(rules("http://10.0.0.9:80"))
        assert directory.known("http://app:80") == ()


async def test_a_probe_may_ask_for_a_name_before_any_rule_has_it() -> None:
    async with following(World(app=("10.0.0.1",))) as (directory, _):
        assert await directory.addresses("http://app:80") == (at("10.0.0.1"),)
        assert await directory.addresses("http://10.0.0.9:80") == (at("10.0.0.9"),)


# --- one question ------------------------------------------------------------------------------


def test_the_hosts_file_comes_first_and_ipv6_last() -> None:
    hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost # 10.0.0.1 not this\n10.0.0.5 app App.test\n"
    assert addresses_in(hosts, "localhost") == ("127.0.0.1",)
    assert addresses_in(hosts, "ip6-localhost") == ("::1",)
    assert addresses_in(hosts, "APP.test") == ("10.0.0.5",)
    assert addresses_in(hosts, "not") == ()


async def test_a_name_of_the_hosts_file_is_never_asked_for(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.5 app\n")
    found = await Resolver("127.0.0.1:9", hosts).find("app")
    assert found.addresses == ("10.0.0.5",)


async def test_dns_says_the_addresses_and_how_long_they_hold(tmp_path: Path) -> None:
    async with name_server("127.0.0.7", 5) as server:
        found = await Resolver(f"127.0.0.1:{server.port}", tmp_path / "none").find("shop.test")
    assert found == (("127.0.0.7",), 5)


async def test_a_name_without_an_address_is_an_error_that_says_so(tmp_path: Path) -> None:
    async with name_server("", 5) as server:
        with pytest.raises(Unresolved, match=r"shop\.test has no address"):
            await Resolver(f"127.0.0.1:{server.port}", tmp_path / "none").find("shop.test")
