"""Fixtures for tests with real processes: backends that answer with their names, and instances of `shunt run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from live.instance import Backend, Instance, launch

StartBackend = Callable[[str], Awaitable[Backend]]
StartShunt = Callable[..., Awaitable[Instance]]


@pytest.fixture
async def start_backend() -> AsyncIterator[StartBackend]:
    """`await start_backend("blue")` gives a running backend of that name."""
    started: list[Backend] = []

    async def start(name: str) -> Backend:
        backend = Backend(name)
        started.append(backend)
        await backend.start()
        return backend

    yield start
    for backend in started:
        backend.gate.set()
        await backend.stop()


@pytest.fixture
async def start_shunt(tmp_path: Path) -> AsyncIterator[StartShunt]:
    """`await start_shunt(rules, "--workers", "1")` gives an instance that serves, with free ports everywhere.

    With `wait=False` it is given at once, for instances that shall not come up; other names are keys of
    `shunt.yaml`, such as `dns="{min: 1s}"`.
    """
    started: list[Instance] = []

    async def start(rules: str, *options: str, wait: bool = True, **settings: str) -> Instance:
        directory = tmp_path / f"instance{len(started)}"
        directory.mkdir()
        if settings:
            config = directory / "shunt.yaml"
            config.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
            options = (*options, "--config", str(config))
        instance = await launch(directory, rules, *options)
        started.append(instance)
        if wait:
            await instance.wait_serving()
        return instance

    yield start
    for instance in started:
        await instance.end()


@pytest.fixture
async def blue(start_backend: StartBackend) -> Backend:
    """A backend that answers `blue`."""
    return await start_backend("blue")


@pytest.fixture
async def green(start_backend: StartBackend) -> Backend:
    """A backend that answers `green`."""
    return await start_backend("green")


@pytest.fixture
def rules(blue: Backend, green: Backend) -> str:
    """One service for every host, `shop`, blue-green with blue active."""
    return f"""
services:
  shop:
    hosts: ["*"]
    versions: {{blue: "{blue.url}", green: "{green.url}"}}
    blue_green: {{active: blue}}
"""
