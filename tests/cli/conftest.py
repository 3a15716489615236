"""A real admin API on a loopback socket, and the command line in front of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

import pytest
from click.testing import CliRunner, Result
from control.fake_planes import FakeHealth, FakePlanes, rules

from proxy.cli import shunt
from proxy.control.admin.operations import Desk
from proxy.control.admin.server import Admin
from proxy.control.changes import Surroundings
from proxy.control.door import Control

T = TypeVar("T")


class Running:
    """A control plane in a thread of its own, as another process would have it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str = "127.0.0.1:0", token: str = "") -> None:
        self._loop = loop
        self.planes = FakePlanes()
        self.health = FakeHealth()
        self.control = Control(self.planes, Surroundings(probe=self.health, wall=lambda: 1000.0))
        self.do(self.control.start(rules(), "rules.yaml"))
        self.admin = Admin(Desk(control=self.control), address, token)
        self.address = self.do(self.admin.start())

    def do(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[Running] = []

    def one(*args: str, **kwargs: str) -> Running:
        started.append(Running(loop, *args, **kwargs))
        return started[-1]

    yield one
    for each in started:
        each.do(each.admin.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start()


@pytest.fixture
def call(running: Running) -> Callable[..., Result]:
    """Run a verb against the admin API that runs."""

    def called(*words: str) -> Result:
        return CliRunner().invoke(shunt, words, env={"SHUNT_ADMIN": running.address})

    return called
