"""`shunt import`: the rules go to stdout, what became of each field to stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from proxy.cli.client import INCOMPLETE, Json
from proxy.cli.output import as_yaml


@click.command("import", epilog="Example: shunt import virtualservice.yaml destinationrule.yaml > rules.yaml")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="VERSION=URL",
    help="The address of a version (or service/version), where it is not the one of a Service; may be repeated.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Rules and report for people, or both as one document.",
)
def import_(files: tuple[str, ...], targets: tuple[str, ...], output: str) -> None:
    """Turn FILES into rules: VirtualService, Rollout, Canary, Ingress, Service, Deployment or ConfigMap.

    Says of each field whether it was taken over, has no counterpart or was dropped. Files that belong
    together, such as a VirtualService and its DestinationRule, are given together. Exit code 3 if the rules
    need a person before they load.
    """
    from proxy.config import Source
    from proxy.errors import Invalid
    from proxy.importing.gathering import imported

    given = dict(_pair(each) for each in targets)
    try:
        found = imported((Source(file, _content(file)) for file in files), given)
    except Invalid as fault:
        click.echo(str(fault), err=True)
        sys.exit(2)
    if output == "table":
        click.echo(found.rules, nl=False)
        for line in (*map(str, found.notes), *found.faults):
            click.echo(line, err=True)
    else:
        fields: list[Json] = [dict(note._asdict()) for note in found.notes]
        document: Json = {"rules": found.rules, "fields": fields, "faults": [*found.faults]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False) if output == "json" else as_yaml(document))
    if found.faults:
        sys.exit(INCOMPLETE)


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _pair(written: str) -> tuple[str, str]:
    version, equals, url = written.partition("=")
    if not equals:
        raise click.BadParameter(f"{written!r} is not VERSION=URL", param_hint="--target")
    return version, url
