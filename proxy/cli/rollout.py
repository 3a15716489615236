"""`shunt rollout …`: see rollouts, steer them, compute them again, and rehearse them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from proxy.analysis.evidence import told
from proxy.cli.client import Client, Json
from proxy.cli.options import with_client, with_expecting, with_output, with_why
from proxy.cli.output import (
    length,
    mapping,
    moment,
    number,
    say_answer,
    sequence,
    show,
    strings,
    styled,
    table,
)
from proxy.cli.recompute import replay, simulate
from proxy.cli.watch import look, with_watch

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.group(epilog="Examples: shunt rollout status; shunt rollout promote shop; shunt rollout abort shop")
def rollout() -> None:
    """Move traffic step by step, as long as the candidate is not worse than stable."""


rollout.add_command(replay)
rollout.add_command(simulate)

# --- seeing -------------------------------------------------------------------------------


@rollout.command(epilog="Example: shunt rollout status --watch")
@with_watch
@with_output
@with_client
def status(client: Client, interval: float | None, output: str) -> None:
    """Show where every rollout is."""
    look(client, "/v1/rollouts", interval, output, drawn)


@rollout.command("show", epilog="Examples: shunt rollout show shop; shunt rollout show shop -o json > report.json")
@click.argument("scope")
@with_output
@with_client
def show_(client: Client, scope: str, output: str) -> None:
    """Show all that was seen of SCOPE's rollout, what it was worth, and what followed."""
    found = client.get("/v1/rollouts/report", scope=scope)
    show(found, output, lambda: written(mapping(found["report"])))


@rollout.command(epilog="Example: shunt rollout history shop")
@click.argument("scope", required=False)
@with_output
@with_client
def history(client: Client, scope: str | None, output: str) -> None:
    """Show present and former rollouts, newest first."""
    found = client.get("/v1/rollouts/history", scope=scope)
    columns = ("scope", "release", "began", "ended", "#attempt", "state", "why")
    rows = [_past(report) for report in sequence(found["reports"])]
    show(found, output, lambda: [table("", columns, rows)])


# --- steering -----------------------------------------------------------------------------


def _steer(name: str, says: str) -> None:
    @rollout.command(name, help=says, epilog=f"Example: shunt rollout {name} shop")
    @click.argument("scope")
    @with_expecting
    @with_why
    @with_output
    @with_client
    def steer(client: Client, scope: str, expecting: int | None, why: str, output: str) -> None:
        say_answer(client.post(f"/v1/rollouts/{name}", {"scope": scope, "expecting": expecting, "why": why}), output)


for _name, _says in (
    ("start", "Begin SCOPE's rollout, where the rules name no release."),
    ("pause", "Stop SCOPE's rollout where it is. The judge goes on watching."),
    ("resume", "Go on after `pause`, or try an inconclusive step again."),
    ("abort", "Give the candidate nothing, at once."),
    ("retry", "Begin again after an abort, at the first step and with new evidence."),
    ("undo", "Back to stable, also after the rollout is done."),
):
    _steer(_name, _says)


@rollout.command(epilog="Examples: shunt rollout promote shop; shunt rollout promote shop --full")
@click.argument("scope")
@click.option("--full", is_flag=True, help="All traffic at once, past every step and analysis.")
@with_expecting
@with_why
@with_output
@with_client
def promote(client: Client, scope: str, full: bool, expecting: int | None, why: str, output: str) -> None:
    """Let SCOPE's rollout pass its present step."""
    said: dict[str, Json] = {"scope": scope, "full": full, "expecting": expecting, "why": why}
    say_answer(client.post("/v1/rollouts/promote", said), output)


# --- drawing ------------------------------------------------------------------------------


def drawn(found: dict[str, Json]) -> Iterator[RenderableType]:
    """All rollouts as people read them."""
    shown = sequence(found["rollouts"])
    if not shown:
        yield "nothing is rolled out: no `progressive` in the rules"
        return
    columns = ("scope", "release", "state", "step", "#weight", "#evidence", "#failed", "remarks")
    yield table("", columns, [_row(one) for one in shown])


def _row(one: dict[str, Json]) -> list[RenderableType]:
    step, steps = int(number(one["step"])), strings(one["steps"])
    at = f"{step + 1}/{len(steps)} {steps[step]}" if step < len(steps) else f"{len(steps)}/{len(steps)}"
    left = f", {length(number(one['until']) - time.time())} left" if one["until"] is not None else ""
    phase = str(one["phase"])
    return [
        str(one["scope"]),
        str(one["release"]),
        styled(phase, {"aborted": "red", "frozen": "red", "done": "green", "gated": "yellow"}.get(phase, "")),
        at + left,
        f"{number(one['weight']):g} %",
        f"{told(number(one['evidence']))} of {number(one['threshold']):g}",
        f"{one['failed']} of {one['requests']}",
        str(one["reason"]),
    ]


def written(report: dict[str, Json]) -> Iterator[RenderableType]:
    """One rollout's report as people read it."""
    attempt = f", attempt {report['attempt']}" if report["attempt"] != 1 else ""
    release = f", release {report['release']}" if report["release"] else ""
    yield f"{report['scope']}: {report['stable']} to {report['candidate']}{release}{attempt}, {report['phase']}"
    if report["reason"]:
        yield str(report["reason"])
    if report["forgotten"]:
        yield f"{report['forgotten']} older lines are left out"
    columns = ("when", "what", "#weight", "#stable failed", "#candidate failed", "#evidence")
    yield table("", columns, [_line(line) for line in sequence(report["lines"])])
    for name, said in mapping(report["metrics"]).items():
        yield f"metric {name}: {said}"
    if report["verdict"]:
        yield str(report["verdict"])


def _line(line: dict[str, Json]) -> list[str]:
    counters = mapping(line["counters"])
    evidence = counters["evidence"] if counters else None
    failed, requests = _pair(line["failed"]), _pair(line["requests"])
    return [
        moment(number(line["when"])),
        str(line["text"] or "a minute"),
        f"{number(line['weight']):g} %",
        *(f"{bad} of {all_}" for bad, all_ in zip(failed, requests, strict=True)),
        told(number(evidence[0])) if isinstance(evidence, list) and evidence else "",
    ]


def _past(report: dict[str, Json]) -> list[str]:
    began, ended = moment(number(report["started"])), report["ended"]
    until = moment(number(ended)) if ended is not None else ""
    words = [str(report[name]) for name in ("attempt", "phase", "reason")]
    return [str(report["scope"]), str(report["release"]), began, until, *words]


def _pair(value: Json) -> list[int]:
    return [int(number(item)) for item in value] if isinstance(value, list) else [0, 0]
