"""The table: the immutable compiled state of one revision; built whole, then swapped in by one reference."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from proxy.conditions import flags_of, needs_identity
from proxy.errors import Invalid
from proxy.flags.asker import Asker
from proxy.model import Dice, Request
from proxy.plan import Plan
from proxy.routing import Hosts, Junction, alternatives, rank
from proxy.rules import Policy, Route, Rules, Service
from proxy.strategies.rolling import Rolling
from proxy.strategies.sticky import Ground, identifier
from proxy.targets import Address, Fleet, Registry, Target
from proxy.track import Endpoints, Muster, Track, asks_identity, flags_asked, has_strategy, inherited, lane, track

SLICE_ROUTES = 100
"""How many routes are compiled at one go: a few milliseconds, so that a worker's loop never stalls."""


class Table:
    """What every request is planned by. Never changed; a change makes a new one."""

    __slots__ = ("_hosts", "junctions")

    def __init__(self, junctions: dict[str, Junction]) -> None:
        self.junctions = junctions
        """Every service by name, compiled."""
        self._hosts = Hosts(_by_host(junctions))

    @classmethod
    def compile(
        cls, rules: Rules, registry: Registry, endpoints: Endpoints | None = None, flags: Asker | None = None
    ) -> Table:
        """The table of the rules, all at once; Invalid if they cannot be obeyed."""
        compiling = Compiling(rules, registry, endpoints=endpoints, flags=flags)
        for _ in compiling:
            pass
        return compiling.table

    def plan(self, request: Request, dice: Dice, now: float) -> Plan:
        """All that is decided about the request before its first byte goes out; NoService or NoRoute if nobody answers.

        The same for every `now` (seconds, monotonic): it is handed in for whoever plans by time.
        """
        junction = self._hosts.find(request.host)
        identity = minted = None
        if junction.is_asking:
            identity, minted = junction.who(request, dice)
        plan = junction.track(request, identity, dice).plan(request, identity, minted, dice)
        inject = junction.inject
        if inject is not None:
            plan.flag_lines = inject(request, identity)
        return plan

    def junction(self, host: str) -> Junction:
        """The service that answers for the lower-case host; NoService if there is none."""
        return self._hosts.find(host)

    def fleets(self) -> list[Fleet]:
        """Every fleet that can be planned."""
        return [fleet for junction in self.junctions.values() for fleet in junction.muster.all()]

    def targets(self) -> list[Target]:
        """Every target that the rules name, the drained ones too: they stay warm."""
        return [
            target
            for junction in self.junctions.values()
            for targets in junction.muster.targets.values()
            for target in targets
        ]


def _by_host(junctions: dict[str, Junction]) -> dict[str, Junction]:
    hosts: dict[str, Junction] = {}
    for name, junction in junctions.items():
        for host in junction.service.hosts:
            taken = hosts.setdefault(host.lower(), junction)
            if taken is not junction:
                raise Invalid(f"services {taken.service.name} and {name} both answer for {host}")
    return hosts


class Compiling:
    """A table in the making: `for _ in compiling: …` does a few milliseconds of work at a time, then `table` is there.

    A service whose rules, endpoints and flags are those of the previous table is taken over as it is.
    """

    def __init__(
        self,
        rules: Rules,
        registry: Registry,
        *,
        endpoints: Endpoints | None = None,
        flags: Asker | None = None,
        previous: Table | None = None,
    ) -> None:
        self._rules = rules
        self._registry = registry
        self._endpoints = endpoints or {}
        self._flags = flags
        self._previous = previous.junctions if previous is not None else {}
        self._steps = 0
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """The finished table; only after the iteration has ended."""
        if self._table is None:
            raise Invalid("the table is not compiled yet")
        return self._table

    def __iter__(self) -> Iterator[None]:
        """One slice after the other; Invalid if the rules cannot be obeyed."""
        junctions: dict[str, Junction] = {}
        for name, service in self._rules.services.items():
            resolved = self._resolved(service)
            old = self._previous.get(name)
            if old is not None and (yield from self._is_unchanged(old, service, resolved)):
                junctions[name] = old
            else:
                junctions[name] = yield from self._junction(service, resolved)
            if self._is_slice_full():
                yield
        self._table = Table(junctions)

    def _is_slice_full(self) -> bool:
        self._steps += 1
        return self._steps % SLICE_ROUTES == 0

    def _resolved(self, service: Service) -> dict[str, tuple[Address, ...]]:
        texts = (text for version in service.versions.values() for text in version.targets)
        return {text: tuple(self._endpoints[text]) for text in texts if text in self._endpoints}

    def _is_unchanged(
        self, old: Junction, service: Service, resolved: dict[str, tuple[Address, ...]]
    ) -> Generator[None, None, bool]:
        if old.resolved != resolved or (old.reads_flags and old.ground.flags is not self._flags):
            return False
        if len(old.service.routes) != len(service.routes):
            return False
        if replace(old.service, routes=()) != replace(service, routes=()):
            return False
        for was, now in zip(old.service.routes, service.routes, strict=True):
            if was != now:
                return False
            if self._is_slice_full():
                yield
        return True

    def _junction(self, service: Service, resolved: dict[str, tuple[Address, ...]]) -> Generator[None, None, Junction]:
        ground = Ground(service.salt or service.name, self._flags)
        muster = Muster(service, self._registry, resolved)
        junction = Junction(service, ground, muster, resolved, identifier(service.identity))
        if len(service.versions) == 1 and not has_strategy(service):
            service = replace(service, rolling=Rolling(version=next(iter(service.versions))))
        own = track(lane(service, "", service, b""), service, muster, ground)
        junction.fallback = own if own.choosers else None
        junction.is_asking |= asks_identity(service)
        junction.reads_flags |= any(flags_asked(service))
        for order, route in enumerate(service.routes):
            _lay(junction, service, route, order, own)
            if self._is_slice_full():
                yield
        junction.index.settle()
        junction.is_asking &= bool(service.identity)
        return junction


def _lay(junction: Junction, service: Service, route: Route, order: int, own: Track) -> None:
    """Compile one route into the junction."""
    policy = inherited(service, route)
    context = junction.ground.context(route.name)
    if _names_own(route):
        laid = track(lane(service, route.name, policy, b""), policy, junction.muster, junction.ground)
        junction.is_asking |= asks_identity(policy)
        junction.reads_flags |= any(flags_asked(policy))
    else:
        laid = own
    junction.is_asking |= needs_identity(route.match)
    junction.reads_flags |= any(flags_of(route.match))
    for match in alternatives(route.match):
        path = match.path
        prefix = (path.prefix or path.exact or "") if path is not None else ""
        laid = laid.at(lane(service, route.name, policy, prefix.rstrip("/").encode()))
        junction.index.add(match, rank(match, order), context, laid)


def _names_own(route: Policy) -> bool:
    """Whether the route needs a track of its own, not just a lane."""
    own = (route.flags, route.shadow, route.progressive, route.balance, route.limits, route.rescue)
    return has_strategy(route) or any(key is not None for key in own)
