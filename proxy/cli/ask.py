"""The verbs that ask about rules: explain, check, schema."""

from __future__ import annotations

import json
import os
import sys
import time

import click

from proxy.cli.client import Client, Json, Misused
from proxy.cli.options import with_client, with_output
from proxy.cli.output import as_yaml, sequence, show, strings


@click.command(epilog="Example: shunt explain --host shop.example.com --path /api -H 'x-beta: true' --identity ann")
@click.option("--host", default="localhost", show_default=True)
@click.option("--path", default="/", show_default=True, help="With the query, as on the wire.")
@click.option("--method", default="GET", show_default=True)
@click.option("-H", "--header", multiple=True, help="'name: value'; may be repeated.")
@click.option("--identity", default="", help="Stands for what the request carries.")
@click.option("--client", "address", default="127.0.0.1", show_default=True, help="The client's address.")
@click.option("--rules", help="Ask this file instead of the running proxy.")
@click.option("--flags", default="", help="The feature flags for --rules: a directory, or a file.")
@with_output
@with_client
def explain(
    client: Client,
    host: str,
    path: str,
    method: str,
    header: tuple[str, ...],
    identity: str,
    address: str,
    rules: str | None,
    flags: str,
    output: str,
) -> None:
    """Say which route, rule and version would answer a request, who hears a copy, and why nothing else."""
    asked: dict[str, Json] = {"host": host, "path": path, "method": method, "header": list(header)}
    asked |= {"identity": identity, "client": address}
    found = client.post("/v1/explain", asked) if rules is None else _explained(rules, flags, asked)
    show(found, output, lambda: [_lines(found)])


@click.command(epilog="Example: shunt check rules.yaml")
@click.argument("files", nargs=-1, required=True)
@with_output
def check(files: tuple[str, ...], output: str) -> None:
    """Check FILES: rules, settings, or directories of rules. Names every fault with its cure; exit code 2 if any."""
    from proxy import config

    checked: list[Json] = []
    for file in files:
        faults: list[Json] = [*config.check([file])]
        checked.append({"file": file, "valid": not faults, "faults": faults})
    show(
        checked,
        output,
        lambda: [line for one in sequence(checked) for line in strings(one["faults"]) or [f"{one['file']}: good"]],
    )
    if any(not one["valid"] for one in sequence(checked)):
        sys.exit(2)


@click.command(epilog="Example: shunt schema rules > rules.schema.json")
@click.argument("which", type=click.Choice(["rules", "settings"]))
@click.option("--output", "-o", type=click.Choice(["json", "yaml"]), default="json", show_default=True)
def schema(which: str, output: str) -> None:
    """Print the JSON Schema of WHICH file, for editors that complete and check."""
    from proxy import config

    written = config.schema("rules" if which == "rules" else "settings")
    click.echo(json.dumps(written, indent=2) if output == "json" else as_yaml(written).rstrip())


def _explained(rules: str, flags: str, asked: dict[str, Json]) -> dict[str, Json]:
    from pydantic import TypeAdapter, ValidationError

    from proxy import config
    from proxy.config.flags import load_flags
    from proxy.control.admin.desk import explained
    from proxy.control.admin.inputs import Question
    from proxy.explain import Explanation
    from proxy.flags.asker import Asker
    from proxy.table import Table
    from proxy.targets import Registry

    try:
        question = Question.model_validate(asked)
        asker = Asker(load_flags(flags, os.environ), time.time)
        table = Table.compile(config.load(rules), Registry(), flags=asker)
    except config.Faults as faults:
        raise Misused(str(faults)) from faults
    except ValidationError as error:
        raise Misused("; ".join(f"--{one['loc'][0]}: {one['msg']}" for one in error.errors())) from error
    found: dict[str, Json] = TypeAdapter(Explanation).dump_python(explained(table, question), mode="json")
    return found


def _lines(found: dict[str, Json]) -> str:
    from pydantic import TypeAdapter

    from proxy.explain import Explanation

    return str(TypeAdapter(Explanation).validate_python(found))
