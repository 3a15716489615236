"""The stage: a real data plane on a network in memory, scripted targets behind it, clients in front."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from proxy.dataplane.plane import DataPlane
from proxy.observe.stats import Stats, Verdict
from proxy.plan import Outcome
from proxy.rules import Rules, Service, Version
from proxy.settings import Settings
from proxy.strategies.rolling import Rolling
from proxy.table import Table
from proxy.targets import Registry
from tests.wire.messages import wire
from tests.wire.network import Listening, Network
from tests.wire.people import Client, Script

FRONT = 80
TARGET = 9001
REQUEST_ID = "ab" * 16
ABOUT = wire(
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: shop",
    "Via: 1.1 shunt-test",
    f"x-request-id: {REQUEST_ID}",
    f"traceparent: 00-{'ab' * 16}-{'ab' * 8}-01",
)
"""What every request to `shop` is given on its way."""
OK = wire("HTTP/1.1 200 OK", "Content-Length: 2", "", "ok")


class LoadedDice:
    """Chance that always falls the same way."""

    def __init__(self, chance: float = 0.5) -> None:
        self.chance = chance

    def random(self) -> float:
        return self.chance

    def getrandbits(self, k: int, /) -> int:
        return int("ab" * (k // 8), 16)


class Notes(Stats):
    """Keeps what a worker only counts."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Outcome] = []
        self.verdicts: list[Verdict] = []

    def record(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        super().record(outcome)

    def shadow(self, service: str, version: str, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        super().shadow(service, version, verdict)


class Stage:
    """One data plane, started; use `play` to have one."""

    def __init__(self, network: Network, settings: Settings, dice: LoadedDice) -> None:
        self.network = network
        self.notes = Notes()
        self.plane = DataPlane(settings, self.notes, dice, "shunt-test", clock=network.time)
        self.registry = Registry()

    def use(self, *services: Service) -> Table:
        """Put rules in force."""
        table = Table.compile(Rules(services={service.name: service for service in services}), self.registry)
        self.plane.use(table.plan)
        return table

    async def client(self, says: bytes = b"") -> Client:
        """A client that has connected and said something."""
        client = Client()
        await self.network.create_connection(lambda: client, "shunt", FRONT)
        if says:
            client.transport.write(says)
        return client

    async def settle(self, seconds: float = 0.5) -> None:
        """Until nothing moves any more; `seconds` pass on the network's clock and none on the wall's."""
        await asyncio.sleep(seconds)


def shop(*ports: int, **keys: object) -> Service:
    """A service for every host; one version with a target at each port."""
    targets = tuple(f"http://10.0.0.1:{port}" for port in ports or (TARGET,))
    keys.setdefault("versions", {"v1": Version(targets=targets)})
    if not {"canary", "blue_green", "rolling"} & keys.keys():
        keys["rolling"] = Rolling(version="v1")
    return Service(name="shop", hosts=("*",), **keys)  # type: ignore[arg-type]


def play(
    scene: Callable[[Stage], Awaitable[None]],
    *,
    scripts: dict[int, Script],
    services: Iterable[Service] = (),
    settings: Settings | None = None,
    piece_bytes: int = 256 << 10,
    chance: float = 0.5,
) -> Stage:
    """Play a scene; afterwards nothing is left over and nothing unexpected has happened."""

    async def whole() -> Stage:
        network = asyncio.get_running_loop()
        assert isinstance(network, Network)
        network.piece_bytes = piece_bytes
        stage = Stage(network, settings or Settings(), LoadedDice(chance))
        network.ports.update(scripts)
        table = stage.use(*(services or (shop(),)))
        await stage.plane.serve([Listening(FRONT)])  # type: ignore[list-item]
        try:
            async with asyncio.timeout(1000):
                await scene(stage)
        finally:
            await stage.plane.close()
            await asyncio.sleep(1)
        assert network.faults == []
        assert stage.plane.in_flight() == {}
        assert stage.plane.connections == 0
        assert all(target.in_flight == 0 for target in table.targets())
        return stage

    with asyncio.Runner(loop_factory=Network) as runner:
        return runner.run(whole())
