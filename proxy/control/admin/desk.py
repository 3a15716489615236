"""The desk: all that can be seen of the control plane, one function for each question."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from proxy import config
from proxy import explain as explaining
from proxy.control import verbs
from proxy.control.admin import inputs, views
from proxy.control.admin.traffic import Traffic
from proxy.control.admin.traffic import traffic as counted
from proxy.control.door import Control
from proxy.control.export import as_written, as_yaml
from proxy.control.pacer import Pacer
from proxy.explain import Explanation
from proxy.flags.asker import Asker
from proxy.model import Request
from proxy.observe.totals import Snapshot, Totals
from proxy.table import Table
from proxy.targets import Registry


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
    pacer: Pacer | None = None
    """Who looks after rollouts; None where there is nobody."""
    compiled: tuple[tuple[int, str], Table] | None = None
    """The table of the last explanation, with its revision and that of its flags."""

    def table(self) -> Table:
        """The table of the present rules and flags, compiled when somebody first asks."""
        state, flags, known = self.control.store.state, self.control.flags.current, self.compiled
        present = state.revision, flags.revision
        if known is None or known[0] != present:
            table = Table.compile(state.effective, Registry(), flags=Asker(flags, time.time))
            known = self.compiled = present, table
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


def status(desk: Desk, _: inputs.Nothing) -> views.Status:
    return views.status(desk.control, desk.health)


def services(desk: Desk, _: inputs.Nothing) -> Listed:
    return Listed(revision=desk.control.store.revision, services=views.services(desk.control, desk.health))


def service(desk: Desk, said: inputs.One) -> views.ServiceView:
    shown = verbs.service_of(desk.control.store.state.effective, said.service)
    return views.service(desk.control, shown, desk.health)


def versions(desk: Desk, said: inputs.Some) -> Listed:
    return Listed(revision=desk.control.store.revision, versions=_shown_versions(desk, said))


def targets(desk: Desk, said: inputs.Some) -> Listed:
    targets = tuple(target for version in _shown_versions(desk, said) for target in version.targets)
    return Listed(revision=desk.control.store.revision, targets=targets)


def _shown_versions(desk: Desk, said: inputs.Some) -> tuple[views.VersionView, ...]:
    rules = desk.control.store.state.effective
    shown = list(rules.services.values()) if said.service is None else [verbs.service_of(rules, said.service)]
    return tuple(views.versions(shown, desk.health))


def rules(desk: Desk, _: inputs.Nothing) -> RulesView:
    state = desk.control.store.state
    return RulesView(revision=state.revision, file=as_written(state.rules), effective=as_written(state.effective))


def export(desk: Desk, _: inputs.Nothing) -> str:
    return as_yaml(desk.control.export())


def ledger(desk: Desk, said: inputs.History) -> views.LedgerView:
    store = desk.control.store
    entries = store.ledger.latest(said.limit, service=said.service)
    return views.LedgerView(revision=store.revision, forgotten=store.ledger.forgotten, entries=entries)


def traffic(desk: Desk, _: inputs.Nothing) -> Traffic:
    return counted(desk.control.store.revision, desk.snapshot())


def explain(desk: Desk, said: inputs.Question) -> Explanation:
    return explained(desk.table(), said)


def explained(table: Table, said: inputs.Question) -> Explanation:
    """What the table would do with the request that is described."""
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in said.header)]
    request = Request.of(said.method, said.path, host=said.host, headers=headers, client=said.client)
    return explaining.explain(table, request, random.Random(), identity=said.identity.encode() or None)


def validate(desk: Desk, said: inputs.Text) -> Verdict:
    faults = tuple(desk.check(said.text, said.name))
    return Verdict(revision=desk.control.store.revision, valid=not faults, faults=faults)
