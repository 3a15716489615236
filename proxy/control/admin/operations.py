"""The table of operations: what the admin API can do. It is the routing and the document both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from pydantic import TypeAdapter

from proxy.control.admin import desk, flags, inputs, moves, rollouts, views
from proxy.control.admin.desk import Desk
from proxy.control.admin.traffic import Traffic
from proxy.control.door import Answer, Control
from proxy.explain import Explanation
from proxy.rollout.verbs import Verb

__all__ = ["OPERATIONS", "Desk", "Operation"]

B = TypeVar("B", bound=inputs.Input)
A = TypeVar("A")


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

    async def run(at: Desk, said: inputs.Input, who: str) -> object:
        checked = said
        assert isinstance(checked, takes)
        return await where(lambda: act(at, checked))

    return Operation(
        method="GET", path=path, name=name, summary=summary, takes=takes, gives=TypeAdapter(gives), run=run
    )


def order(
    path: str, name: str, summary: str, takes: type[B], act: Callable[[Desk, B, str], Awaitable[Answer]]
) -> Operation:
    """An operation that changes something on the desk."""

    async def run(at: Desk, said: inputs.Input, who: str) -> object:
        assert isinstance(said, takes)
        return await act(at, said, who)

    return Operation(
        method="POST", path=path, name=name, summary=summary, takes=takes, gives=TypeAdapter(Answer), run=run
    )


def post(
    path: str, name: str, summary: str, takes: type[B], act: Callable[[Control, B, str], Awaitable[Answer]]
) -> Operation:
    """An operation that changes what the rules and flags say."""
    return order(path, name, summary, takes, lambda at, said, who: act(at.control, said, who))


def _steering(verb: Verb, summary: str) -> Operation:
    """A verb for one rollout."""
    steer = rollouts.commanding(verb)
    return order(f"/v1/rollouts/{verb}", f"{verb}Rollout", summary, rollouts.Command, steer)


def _asking(
    path: str, name: str, summary: str, takes: type[B], gives: type[A], act: Callable[[Desk, B], A]
) -> Operation:
    """An operation that only looks, with the question in a body."""
    return replace(get(path, name, summary, takes, gives, act, apart), method="POST")


OPERATIONS: tuple[Operation, ...] = (
    get("/v1/status", "status", "Everything at a glance", inputs.Nothing, views.Status, desk.status),
    get("/v1/services", "services", "All services", inputs.Nothing, desk.Listed, desk.services),
    get("/v1/services/{service}", "service", "One service", inputs.One, views.ServiceView, desk.service),
    get("/v1/versions", "versions", "Versions with their targets", inputs.Some, desk.Listed, desk.versions),
    get("/v1/targets", "targets", "Targets with their health", inputs.Some, desk.Listed, desk.targets),
    get("/v1/traffic", "traffic", "Counters by version since the start", inputs.Nothing, Traffic, desk.traffic),
    get(
        "/v1/rules",
        "rules",
        "The rules as in the file, and in force",
        inputs.Nothing,
        desk.RulesView,
        desk.rules,
        apart,
    ),
    replace(
        get("/v1/export", "export", "The rules with overrides folded in", inputs.Nothing, str, desk.export, apart),
        media="application/yaml",
    ),
    _asking("/v1/rules/validate", "validate", "The faults of a rules text", inputs.Text, desk.Verdict, desk.validate),
    get("/v1/flags", "flags", "Feature flags, and what was set on top", inputs.Nothing, flags.FlagsView, flags.flags),
    get("/v1/rollouts", "rollouts", "All rollouts", inputs.Nothing, rollouts.RolloutsView, rollouts.rollouts),
    get(
        "/v1/rollouts/report",
        "rolloutReport",
        "All that was seen of a rollout, with the verdict",
        rollouts.OneScope,
        rollouts.ReportView,
        rollouts.report,
    ),
    get(
        "/v1/rollouts/history",
        "rolloutHistory",
        "Present and former rollouts",
        rollouts.SomeScope,
        rollouts.HistoryView,
        rollouts.history,
    ),
    get("/v1/ledger", "ledger", "Who did what, when and why", inputs.History, views.LedgerView, desk.ledger),
    get(
        "/v1/explain",
        "explain",
        "Who would answer a request, and why",
        inputs.Question,
        Explanation,
        desk.explain,
        apart,
    ),
    _asking("/v1/explain", "explainBody", "The same, asked by a body", inputs.Question, Explanation, desk.explain),
    post("/v1/switch", "switch", "Make a colour the active one", inputs.Switch, moves.switch),
    post("/v1/weight", "weight", "Set the weights of a canary", inputs.Weight, moves.weight),
    post("/v1/hold", "hold", "Let new requests wait in the proxy", inputs.Hold, moves.hold),
    post("/v1/release", "release", "Let held requests go", inputs.Release, moves.release),
    post("/v1/drain", "drain", "Take a version or target out of choice", inputs.Drain, moves.drain),
    post("/v1/flags/set", "setFlag", "Set a feature flag on top of its file", inputs.SetFlag, moves.set_flag),
    post("/v1/flags/clear", "clearFlag", "Drop what was set on top of a flag", inputs.ClearFlag, moves.clear_flag),
    post("/v1/undo", "undo", "Take back the last verb", inputs.Undo, moves.undo),
    post("/v1/reset", "reset", "Drop a service's overrides", inputs.Reset, moves.reset),
    _steering(Verb.START, "Begin a rollout that has no release"),
    _steering(Verb.PAUSE, "Stop a rollout where it is"),
    _steering(Verb.RESUME, "Go on after a pause"),
    order("/v1/rollouts/promote", "promoteRollout", "Pass a step, or all", rollouts.Promote, rollouts.promote),
    _steering(Verb.ABORT, "Nothing for the candidate, at once"),
    _steering(Verb.RETRY, "Begin again after an abort"),
    _steering(Verb.UNDO, "Back to stable after the fact"),
    post("/v1/upgrade", "upgrade", "Let the code on the disk take over", inputs.Upgrade, moves.upgrade),
)
