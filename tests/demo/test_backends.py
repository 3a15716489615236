"""The demo's cast: every backend says who it is, and its rules are good rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from proxy import config
from proxy.demo.backends import Backend, Manner, cast
from proxy.demo.script import Stage, acts, rules_text


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_backend_names_its_version_and_comes_back_on_its_port(http: aiohttp.ClientSession) -> None:
    backend = Backend("shop", "v1", Manner(delay_seconds=0.0))
    await backend.start()
    first = backend.address
    await backend.stop()
    await backend.start()
    try:
        async with http.get(f"{first}/page") as response:
            assert (response.status, await response.text()) == (200, "shop v1\n")
    finally:
        await backend.stop()


async def test_a_flaky_backend_fails(http: aiohttp.ClientSession) -> None:
    backend = Backend("search", "flaky", Manner(delay_seconds=0.0, failing_share=1.0))
    await backend.start()
    try:
        async with http.get(backend.address) as response:
            assert response.status == 500
        async with http.get(f"{backend.address}/healthz") as response:
            assert response.status == 200
    finally:
        await backend.stop()


async def test_the_echo_says_requests_and_messages_back_and_shows_browsers_a_page(http: aiohttp.ClientSession) -> None:
    backend = Backend("echo", "v1", Manner())
    await backend.start()
    try:
        async with http.post(f"{backend.address}/a%20b?c=d", data=b"hello", headers={"x-one": "1"}) as response:
            seen = await response.json()
        assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/a%20b?c=d", "hello")
        async with http.get(backend.address, headers={"Accept": "text/html"}) as response:
            assert "WebSocket" in await response.text()
        async with http.ws_connect(f"{backend.address}/ws") as socket:
            await socket.send_str("hello")
            assert (await socket.receive_str()) == "echo: hello"
    finally:
        await backend.stop()


def test_the_rules_of_the_demo_are_valid_and_use_every_backend(tmp_path: Path) -> None:
    backends = cast()
    for port, backend in enumerate(backends, 20_000):
        backend.port = port
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(backends))
    services = config.load(rules).services.values()
    named = {target for service in services for version in service.versions.values() for target in version.targets}
    assert named == {backend.address for backend in backends}


def test_commands_name_the_admin_api_only_when_it_is_not_the_usual_one() -> None:
    usual = Stage("http://127.0.0.1:8080", "http://127.0.0.1:9901", "http://127.0.0.1:9902", "/tmp/r.yaml", "shunt")
    other = usual._replace(admin="http://127.0.0.1:5")
    assert not any("--admin" in command for _, commands in acts(usual) for command in commands)
    verbs = [command for _, commands in acts(other) for command in commands if command.startswith("shunt ")]
    assert verbs
    assert all(command.endswith(" --admin 127.0.0.1:5") for command in verbs)
