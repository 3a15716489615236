"""`shunt rollout replay` and `simulate`: what was judged, computed again, and what would be, rehearsed."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

import click

from proxy.cli.client import Json, Misused
from proxy.cli.options import DURATION, with_output
from proxy.cli.output import length, moment, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from proxy.rollout.programme import Programme
    from proxy.rollout.report import Report


@click.command(epilog="Example: shunt rollout show shop -o json > report.json; shunt rollout replay report.json")
@click.argument("file", type=click.File())
@with_output
def replay(file: TextIO, output: str) -> None:
    """Compute every figure of a report's FILE again from its counters; exit code 1 if one of them does not follow."""
    from proxy.rollout.report import replay as recompute

    figures = list(recompute(_report(file.read())))
    found: Json = [
        {
            "when": figure.line.when,
            "event": figure.line.event,
            "evidence": figure.evidence,
            "deviation": figure.deviation,
            "has_crossed": figure.has_crossed,
            "is_right": figure.is_right,
        }
        for figure in figures
    ]
    columns = ("when", "event", "#evidence", "#off by", "verdict")
    rows = [
        (
            moment(figure.line.when),
            figure.line.event,
            f"{figure.evidence:.4g}",
            f"{figure.deviation:.1e}",
            ("worse" if figure.has_crossed else "no sign") if figure.is_right else "does not follow",
        )
        for figure in figures
    ]
    show(found, output, lambda: [table("", columns, rows)])
    if not all(figure.is_right for figure in figures):
        sys.exit(1)


@click.command(epilog="Example: shunt rollout simulate shop --rules rules.yaml --errors 5% --rate 200")
@click.argument("scope")
@click.option("--rules", default="rules.yaml", show_default=True, help="The rules: a file or a directory.")
@click.option("--rate", type=float, default=100.0, show_default=True, help="Requests per second, of all.")
@click.option("--stable-errors", default="0.1%", show_default=True, help="Stable's share of failing requests.")
@click.option("--errors", default="0.1%", show_default=True, help="The candidate's.")
@click.option("--stable-latency", type=DURATION, default="50ms", show_default=True, help="Stable's median.")
@click.option("--latency", type=DURATION, default="50ms", show_default=True, help="The candidate's.")
@click.option("--at-most", type=DURATION, default="1d", show_default=True, help="Where an endless wait is given up.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed plays the same rehearsal.")
@with_output
def simulate(
    scope: str,
    rules: str,
    rate: float,
    stable_errors: str,
    errors: str,
    stable_latency: float,
    latency: float,
    at_most: float,
    seed: int,
    output: str,
) -> None:
    """Rehearse SCOPE's rollout against assumed traffic: what happens, how long it takes, how many are hurt."""
    from proxy.rollout.rehearsal import Assumptions, rehearse

    assumed = Assumptions(
        requests_per_second=rate,
        stable_error_rate=_share(stable_errors),
        candidate_error_rate=_share(errors),
        stable_seconds=stable_latency,
        candidate_seconds=latency,
        most_seconds=at_most,
    )
    played = rehearse(_programme(rules, scope), assumed, random.Random(seed))
    found: Json = {**asdict(played), "events": [asdict(event) for event in played.events]}

    def people() -> Iterator[RenderableType]:
        rows = [(length(event.seconds), event.text) for event in played.events]
        yield table(f"{scope}, rehearsed", ("after", "what happens"), rows)
        yield f"After {length(played.seconds)} it is {played.phase}: {played.reason or 'still under way'}."
        yield (
            f"The candidate would have answered {played.candidate_requests:,} requests and failed "
            f"{played.candidate_failed:,} of them; the evidence was at most {played.highest_evidence:.3g}."
        )

    show(found, output, people)


def _programme(rules: str, scope: str) -> Programme:
    from proxy import config
    from proxy.control.programmes import programmes

    try:
        known = programmes(config.load(rules))
    except config.Faults as faults:
        raise Misused(str(faults)) from faults
    if scope not in known:
        raise Misused(f"{rules} has no progressive at {scope}; it has: {', '.join(sorted(known)) or 'none'}")
    return known[scope]


def _report(text: str) -> Report:
    from pydantic import TypeAdapter, ValidationError

    from proxy.rollout.report import Report

    try:
        found = json.loads(text)
        return TypeAdapter(Report).validate_python(found.get("report", found))
    except (ValueError, AttributeError, ValidationError) as fault:
        raise Misused(f"this is no report of `shunt rollout show -o json`: {fault}") from fault


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise click.BadParameter(f"{text!r} is not a share: write 5% or 0.05")
    return share
