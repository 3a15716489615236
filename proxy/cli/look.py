"""The verbs that show: status, log, export."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from proxy.cli.client import Client, Json
from proxy.cli.options import with_client, with_output
from proxy.cli.output import mapping, number, sequence, show, strings, styled, table
from proxy.cli.watch import look, with_watch

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command(epilog="Example: shunt status --watch")
@with_watch
@with_output
@with_client
def status(client: Client, interval: float | None, output: str) -> None:
    """Show services, versions, overrides and workers."""
    look(client, "/v1/status", interval, output, drawn)


@click.command(epilog="Example: shunt log --service shop --limit 10")
@click.option("--service", help="Only what concerns this service.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many entries.")
@with_output
@with_client
def log(client: Client, service: str | None, limit: int, output: str) -> None:
    """Show who did what, when and why, newest first."""
    found = client.get("/v1/ledger", service=service, limit=limit)

    def people() -> list[RenderableType]:
        rows = [_entry(entry) for entry in sequence(found["entries"])]
        return [table("", ("#revision", "when", "who", "what", "why"), rows)]

    show(found, output, people)


@click.command(epilog="Example: shunt export > rules.yaml && git commit rules.yaml")
@click.option("--output", "-o", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@with_client
def export(client: Client, output: str) -> None:
    """Print the rules with the overrides folded in, ready to commit. Comments of the file are not kept."""
    text = client.text("/v1/export")
    if output == "yaml":
        click.echo(text, nl=False)
        return
    import yaml

    show(yaml.safe_load(text), output, list)


def drawn(found: dict[str, Json]) -> Iterator[RenderableType]:
    """The status as people read it."""
    for fault in strings(found["faults"]):
        yield styled(f"rules: {fault} (the last good rules are in force)", "red")
    for fault in strings(found["flag_faults"]):
        yield styled(f"flags: {fault} (the last good flags are in force)", "red")
    for lost in strings(found["state_lost"]):
        yield styled(f"state lost at the start: {lost}", "yellow")
    if found["state_fault"]:
        yield styled(str(found["state_fault"]), "red")
    columns = ("service", "strategy", "share", "version", "targets", "remarks")
    rows = [row for service in sequence(found["services"]) for row in _rows(service)]
    yield table(f"revision {found['revision']}", columns, rows)
    if found["flags"]:
        changed = [f"{override['field']} {override['value']}" for override in sequence(found["flag_overrides"])]
        yield f"{found['flags']} flags{', set: ' if changed else ''}{', '.join(changed).replace('flag:', '')}"
    workers = sequence(found["workers"])
    behind = [worker for worker in workers if worker["revision"] != found["revision"]]
    late = f", {len(behind)} not at this revision yet" if behind else ""
    yield f"{len(workers)} workers{late}"


def _rows(service: dict[str, Json]) -> Iterator[list[RenderableType]]:
    """One row per scope and version; the versions that get nothing come last."""
    versions = {str(version["version"]): version for version in sequence(service["versions"])}
    overrides = [override for override in sequence(service["overrides"]) if override["origin"] != "waiting"]
    remarks = [_remark(override) for override in overrides]
    remarks += [f"no file defines the flag {key}" for key in strings(service["undefined_flags"])]
    if service["hold"]:
        remarks.insert(0, "on hold")
    idle = set(versions)
    for strategy in sequence(service["strategies"]):
        shares = mapping(strategy["percent"])
        idle -= shares.keys()
        notes = [f"waiting for {strategy['waiting_for']}"] if strategy["waiting_for"] else []
        is_first = strategy["scope"] == service["name"]
        notes += remarks if is_first else []
        notes += [f"shadow: {heard}" for heard in strings(strategy["shadows"])]
        notes += [f"rule: {rule}" for rule in strings(strategy["flag_rules"])]
        strategist = f"{strategy['strategy']}{' by ' if strategy['flag'] else ''}{strategy['flag']}"
        if not shares:
            yield [str(strategy["scope"]), strategist, "", "", "", styled("\n".join(notes), "yellow")]
        for index, (name, percent) in enumerate(shares.items()):
            scope, kind = (str(strategy["scope"]), strategist) if not index else ("", "")
            yield [
                scope,
                kind,
                f"{number(percent):g} %",
                name,
                _targets(versions.get(name)),
                styled("\n".join(notes), "yellow"),
            ]
            notes = []
    for name in sorted(idle):
        yield [str(service["name"]), "", "", name, _targets(versions[name]), ""]


def _targets(version: dict[str, Json] | None) -> str:
    targets = sequence(version["targets"]) if version else []
    words = [str(target["health"]) if not target["drained"] else "drained" for target in targets]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def _remark(override: dict[str, Json]) -> str:
    field = str(override["field"])
    if field.startswith("drained:"):
        return f"{field.removeprefix('drained:')} {'drained' if override['value'] else 'put back'}"
    return f"{override['scope']} {field} {_said(override['value'])} by {override['origin']}"


def _said(value: Json) -> str:
    if isinstance(value, list):
        return ",".join(f"{pair[0]}={number(pair[1]):g}" for pair in value if isinstance(pair, list))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _entry(entry: dict[str, Json]) -> list[str]:
    when = datetime.fromtimestamp(number(entry["when"])).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    undone = f" (taken back by {entry['undone_by']})" if entry["undone_by"] else ""
    words = (str(entry["who"]), f"{entry['what']}{undone}", str(entry["why"]))
    return [str(entry["revision"]), when, *(_visible(each) for each in words)]


def _visible(words: str) -> str:
    """Other people's words, without what would steer the reader's terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in words)
