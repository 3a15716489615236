"""The table of operations: what the admin API can do. It is the routing and the document both."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import JsonValue, TypeAdapter

from proxy import config
from proxy import explain as explaining
from proxy.control import verbs
from proxy.control.admin import inputs, views
from proxy.control.admin.traffic import Traffic, traffic
from proxy.control.door import Answer, Control
from proxy.control.export import as_written, as_yaml
from proxy.explain import Explanation
from proxy.ledger import By
from proxy.model import Request
from proxy.observe.totals import Snapshot, Totals
from proxy.table import Table
from proxy.targets import Registry

B = TypeVar("B", bound=inputs.Input)
A = TypeVar("A")


def faults_of(text: str, name: str) -> tuple[str, ...]:
    """Every fault of a rules text, each in one line."""
    try:
        config.rules([config.Source(name, text.encode())])
    except config.Faults as broken:
        return tuple(map(str, broken.faults))
    return ()


@dataclass(slots=True, kw_only=True)
class Desk:
    """All that the operations work on."""

    control: Control
    check: Callable[[str, str], Sequence[str]] = faults_of
    """The faults of a rules text, given with its name; none when it is good."""
    snapshot: Callable[[], Snapshot] = Totals().snapshot
    health: views.TargetHealth = lambda service, version, target: "unknown"
    compiled: tuple[int, Table] | None = None
    """The table of the last explanation, with its revision."""

    def table(self) -> Table:
        """The table of the present rules, compiled when somebody first asks."""
        state, known = self.control.store.state, self.compiled
        if known is None or known[0] != state.revision:
            known = self.compiled = state.revision, Table.compile(state.effective, Registry())
        return known[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesView:
    """The rules as the file has them, and with the overrides folded in."""

    revision: int
    file: dict[str, JsonValue]
    effective: dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check of rules found."""

    revision: int
    valid: bool
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Versions or targets of one service or all."""

    revision: int
    services: tuple[views.ServiceView, ...] = ()
    versions: tuple[views.VersionView, ...] = ()
    targets: tuple[views.TargetView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the table. `run` gets the desk, the checked input and who asks in which words."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    summary: str
    takes: type[inputs.Input]
    gives: TypeAdapter[object]
    run: Callable[[Desk, inputs.Input, str], Awaitable[object]]
    media: str = "application/json"

    @property
    def is_change(self) -> bool:
        return issubclass(self.takes, inputs.Change)


async def at_once(look: Callable[[], A]) -> A:
    """On the loop: for what is quick."""
    return look()


async def apart(look: Callable[[], A]) -> A:
    """In a thread: for what takes longer the more rules there are. It may only look at what is never edited."""
    return await asyncio.to_thread(look)


def get(
    path: str,
    name: str,
    summary: str,
    takes: type[B],
    gives: type[A],
    act: Callable[[Desk, B], A],
    where: Callable[[Callable[[], A]], Awaitable[A]] = at_once,
) -> Operation:
    """An operation that only looks, at once or apart."""

    async def run(desk: Desk, said: inputs.Input, who: str) -> object:
        checked = said
        assert isinstance(checked, takes)
        return await where(lambda: act(desk, checked))

    return Operation(
        method="GET", path=path, name=name, summary=summary, takes=takes, gives=TypeAdapter(gives), run=run
    )


def post(
    path: str, name: str, summary: str, takes: type[B], act: Callable[[Control, B, str], Awaitable[Answer]]
) -> Operation:
    """An operation that changes something, or asks with a body."""

    async def run(desk: Desk, said: inputs.Input, who: str) -> object:
        assert isinstance(said, takes)
        return await act(desk.control, said, who)

    return Operation(
        method="POST", path=path, name=name, summary=summary, takes=takes, gives=TypeAdapter(Answer), run=run
    )


# --- looking ------------------------------------------------------------------------------


def _status(desk: Desk, _: inputs.Nothing) -> views.Status:
    return views.status(desk.control, desk.health)


def _services(desk: Desk, _: inputs.Nothing) -> Listed:
    return Listed(revision=desk.control.store.revision, services=views.services(desk.control, desk.health))


def _service(desk: Desk, said: inputs.One) -> views.ServiceView:
    shown = verbs.service_of(desk.control.store.state.effective, said.service)
    return views.service(desk.control, shown, desk.health)


def _versions(desk: Desk, said: inputs.Some) -> Listed:
    return Listed(revision=desk.control.store.revision, versions=_shown_versions(desk, said))


def _targets(desk: Desk, said: inputs.Some) -> Listed:
    targets = tuple(target for version in _shown_versions(desk, said) for target in version.targets)
    return Listed(revision=desk.control.store.revision, targets=targets)


def _shown_versions(desk: Desk, said: inputs.Some) -> tuple[views.VersionView, ...]:
    rules = desk.control.store.state.effective
    shown = list(rules.services.values()) if said.service is None else [verbs.service_of(rules, said.service)]
    return tuple(views.versions(shown, desk.health))


def _rules(desk: Desk, _: inputs.Nothing) -> RulesView:
    state = desk.control.store.state
    return RulesView(revision=state.revision, file=as_written(state.rules), effective=as_written(state.effective))


def _export(desk: Desk, _: inputs.Nothing) -> str:
    return as_yaml(desk.control.export())


def _ledger(desk: Desk, said: inputs.History) -> views.LedgerView:
    store = desk.control.store
    entries = store.ledger.latest(said.limit, service=said.service)
    return views.LedgerView(revision=store.revision, forgotten=store.ledger.forgotten, entries=entries)


def _traffic(desk: Desk, _: inputs.Nothing) -> Traffic:
    return traffic(desk.control.store.revision, desk.snapshot())


def _explain(desk: Desk, said: inputs.Question) -> Explanation:
    return explained(desk.table(), said)


def explained(table: Table, said: inputs.Question) -> Explanation:
    """What the table would do with the request that is described."""
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in said.header)]
    request = Request.of(said.method, said.path, host=said.host, headers=headers, client=said.client)
    return explaining.explain(table, request, random.Random(), identity=said.identity.encode() or None)


def _validate(desk: Desk, said: inputs.Text) -> Verdict:
    faults = tuple(desk.check(said.text, said.name))
    return Verdict(revision=desk.control.store.revision, valid=not faults, faults=faults)


def _asking(
    path: str, name: str, summary: str, takes: type[B], gives: type[A], act: Callable[[Desk, B], A]
) -> Operation:
    """An operation that only looks, with the question in a body."""
    looks = get(path, name, summary, takes, gives, act, apart)
    return Operation(
        method="POST", path=path, name=name, summary=summary, takes=takes, gives=looks.gives, run=looks.run
    )


# --- changing -----------------------------------------------------------------------------


async def _switch(control: Control, said: inputs.Switch, who: str) -> Answer:
    by = By(who, f"switch {said.scope} {said.version}", said.why)
    return await control.switch(
        said.scope, said.version, by, force=said.force, expecting=said.expecting, wait=said.wait_seconds
    )


async def _weight(control: Control, said: inputs.Weight, who: str) -> Answer:
    shares = ",".join(f"{version}={share:g}" for version, share in said.weights.items())
    by = By(who, f"weight {said.scope} {shares or said.weight}", said.why)
    return await control.weight(said.scope, by, weight=said.weight, weights=said.weights, expecting=said.expecting)


async def _hold(control: Control, said: inputs.Hold, who: str) -> Answer:
    by = By(who, f"hold {said.service} for {said.for_seconds:g} s", said.why)
    wait = said.max_seconds if said.wait_seconds is None else said.wait_seconds
    return await control.hold(said.service, by, max_seconds=said.max_seconds, for_seconds=said.for_seconds, wait=wait)


async def _release(control: Control, said: inputs.Release, who: str) -> Answer:
    return await control.release(said.service, By(who, f"release {said.service}", said.why))


async def _drain(control: Control, said: inputs.Drain, who: str) -> Answer:
    place = f"{said.service}/{said.version}{'@' if said.target else ''}{said.target}"
    return await control.drain(
        said.service,
        said.version,
        By(who, f"drain {place}{' back' if said.back else ''}", said.why),
        target=said.target,
        back=said.back,
        force=said.force,
        expecting=said.expecting,
        wait=said.wait_seconds,
    )


async def _undo(control: Control, said: inputs.Undo, who: str) -> Answer:
    by = By(who, f"undo {said.service or ''}".strip(), said.why)
    return await control.undo(by, service=said.service, expecting=said.expecting)


async def _reset(control: Control, said: inputs.Reset, who: str) -> Answer:
    by = By(who, f"reset {said.service}", said.why)
    return await control.reset(said.service, by, expecting=said.expecting)


def _yaml(operation: Operation) -> Operation:
    return Operation(
        method=operation.method,
        path=operation.path,
        name=operation.name,
        summary=operation.summary,
        takes=operation.takes,
        gives=operation.gives,
        run=operation.run,
        media="application/yaml",
    )


OPERATIONS: tuple[Operation, ...] = (
    get("/v1/status", "status", "Everything at a glance", inputs.Nothing, views.Status, _status),
    get("/v1/services", "services", "All services", inputs.Nothing, Listed, _services),
    get("/v1/services/{service}", "service", "One service", inputs.One, views.ServiceView, _service),
    get("/v1/versions", "versions", "Versions with their targets", inputs.Some, Listed, _versions),
    get("/v1/targets", "targets", "Targets with their health", inputs.Some, Listed, _targets),
    get("/v1/traffic", "traffic", "Counters by version since the start", inputs.Nothing, Traffic, _traffic),
    get("/v1/rules", "rules", "The rules as in the file, and in force", inputs.Nothing, RulesView, _rules, apart),
    _yaml(get("/v1/export", "export", "The rules with overrides folded in", inputs.Nothing, str, _export, apart)),
    _asking("/v1/rules/validate", "validate", "The faults of a rules text", inputs.Text, Verdict, _validate),
    get("/v1/ledger", "ledger", "Who did what, when and why", inputs.History, views.LedgerView, _ledger),
    get("/v1/explain", "explain", "Who would answer a request, and why", inputs.Question, Explanation, _explain, apart),
    _asking("/v1/explain", "explainBody", "The same, asked by a body", inputs.Question, Explanation, _explain),
    post("/v1/switch", "switch", "Make a colour the active one", inputs.Switch, _switch),
    post("/v1/weight", "weight", "Set the weights of a canary", inputs.Weight, _weight),
    post("/v1/hold", "hold", "Let new requests wait in the proxy", inputs.Hold, _hold),
    post("/v1/release", "release", "Let held requests go", inputs.Release, _release),
    post("/v1/drain", "drain", "Take a version or target out of choice", inputs.Drain, _drain),
    post("/v1/undo", "undo", "Take back the last verb", inputs.Undo, _undo),
    post("/v1/reset", "reset", "Drop a service's overrides", inputs.Reset, _reset),
)
