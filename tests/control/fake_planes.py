"""Workers in memory, for the same promises as the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.analysis.witness import Watch
from proxy.control.changes import Finding
from proxy.control.dataplanes import CompileFailed, HoldReceipt, Receipt, WorkerStatus
from proxy.flags.flagset import NO_FLAGS, Sources
from proxy.rules import Route, Rules, Service, Version
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary
from proxy.strategies.rolling import Rolling


class FakePlanes:
    """Two workers that acknowledge at once. `busy` is what is in flight, by (service, version)."""

    def __init__(self) -> None:
        self.published: list[tuple[int, Rules]] = []
        self.flags = NO_FLAGS
        """Those published last."""
        self.busy: dict[tuple[str, str], int] = {}
        self.empties_after_asked = 0
        self.refuses: set[str] = set()
        """Services whose rules no worker can compile while they name `teal` as active."""
        self.holds: dict[str, tuple[float, float]] = {}
        self.health: dict[tuple[str, str, str], bool] = {}

    async def publish(self, revision: int, rules: Rules, flags: Sources = NO_FLAGS) -> Receipt:
        assert not self.published or revision >= self.published[-1][0]
        for name in self.refuses:
            blue_green = rules.services[name].blue_green
            if blue_green is not None and blue_green.active == "teal":
                raise CompileFailed(f"worker 1 could not compile {name}")
        self.published.append((revision, rules))
        self.flags = flags
        return Receipt(revision=revision, acknowledged=(0, 1), in_flight=dict(self.busy))

    async def hold(self, service: str, max_seconds: float, for_seconds: float) -> HoldReceipt:
        self.holds[service] = (max_seconds, for_seconds)
        return HoldReceipt(in_flight=await self.in_flight(service), held=0)

    async def release(self, service: str) -> None:
        self.holds.pop(service, None)

    async def in_flight(self, service: str, version: str | None = None, target: str | None = None) -> int:
        if self.empties_after_asked:
            self.empties_after_asked -= 1
            if not self.empties_after_asked:
                self.busy.clear()
        return sum(n for (name, on), n in self.busy.items() if name == service and version in (None, on))

    async def set_health(self, service: str, version: str, address: str, *, healthy: bool) -> None:
        self.health[service, version, address] = healthy

    def workers(self) -> Sequence[WorkerStatus]:
        revision = self.published[-1][0] if self.published else 0
        return [WorkerStatus(slot=slot, pid=100 + slot, revision=revision, started=1000.0) for slot in (0, 1)]

    @property
    def present(self) -> tuple[int, Rules]:
        return self.published[-1]


class FakeWitnesses:
    """Remembers what the workers were told."""

    def __init__(self) -> None:
        self.watches: tuple[Watch, ...] = ()
        self.kept: Mapping[str, int] = {}
        self.closed: list[tuple[str, str]] = []

    def look_for(self, watches: tuple[Watch, ...]) -> None:
        self.watches = watches

    def keep(self, numbers: Mapping[str, int]) -> None:
        self.kept = numbers

    def close_tunnels(self, service: str, version: str) -> None:
        self.closed.append((service, version))


class FakeHealth:
    """Every version is well but those in `dead`."""

    def __init__(self) -> None:
        self.dead: set[str] = set()

    async def __call__(self, service: Service, version: str) -> Finding:
        return Finding(is_healthy=version not in self.dead, reason=f"{version}: connection refused")


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
