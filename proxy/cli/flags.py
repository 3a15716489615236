"""The verbs about feature flags: look at them, set them on top of their files, clear them again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from proxy.cli.client import Client, Json
from proxy.cli.options import with_client, with_expecting, with_output, with_why
from proxy.cli.output import mapping, say_answer, sequence, show, strings, styled, table

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command(epilog="Example: shunt flags")
@with_output
@with_client
def flags(client: Client, output: str) -> None:
    """Show every feature flag: what its file says, what was set on top, its variants and what it drives."""
    found = client.get("/v1/flags")
    show(found, output, lambda: _drawn(found))


@click.group(epilog="Example: shunt flag set new-checkout 25% --why 'a quarter for the weekend'")
def flag() -> None:
    """Set a feature flag on top of its file, or clear what was set."""


@flag.command("set", epilog="Examples: shunt flag set NEW_CHECKOUT true; shunt flag set theme dark; ... checkout 25%")
@click.argument("key")
@click.argument("value")
@with_expecting
@with_why
@with_output
@with_client
def set_(client: Client, key: str, value: str, expecting: int | None, why: str, output: str) -> None:
    """Set the flag KEY to VALUE: whatever a plain file may say, a variant's name, or a percentage.

    It holds until the flag's file says something new of it.
    """
    said: dict[str, Json] = {"key": key, "value": value, "expecting": expecting, "why": why}
    say_answer(client.post("/v1/flags/set", said), output)


@flag.command("clear", epilog="Example: shunt flag clear NEW_CHECKOUT")
@click.argument("key")
@with_expecting
@with_why
@with_output
@with_client
def clear(client: Client, key: str, expecting: int | None, why: str, output: str) -> None:
    """Drop what was set on top of KEY: its file holds again."""
    say_answer(client.post("/v1/flags/clear", {"key": key, "expecting": expecting, "why": why}), output)


def _drawn(found: dict[str, Json]) -> Iterator[RenderableType]:
    for fault in strings(found["faults"]):
        yield styled(f"flags: {fault} (the last good flags are in force)", "red")
    rows = [_row(one) for one in sequence(found["flags"])]
    yield table(
        f"flags {found['flag_revision']}", ("flag", "kind", "says", "set", "variants", "drives", "source"), rows
    )


def _row(one: dict[str, Json]) -> list[RenderableType]:
    override = mapping(one["override"])
    by = " by a rollout" if override.get("origin") == "rollout" else ""
    return [
        str(one["key"]),
        str(one["kind"]) if one["enabled"] else "disabled",
        str(one["written"]),
        styled(f"{override['value']}{by}", "yellow") if override else "",
        ", ".join(mapping(one["variants"])),
        ", ".join(strings(one["drives"])),
        str(one["source"]),
    ]
