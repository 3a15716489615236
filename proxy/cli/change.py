"""The verbs that move traffic; each returns when every worker has carried it out."""

from __future__ import annotations

import click

from proxy.cli.client import Client, Json
from proxy.cli.options import DURATION, with_client, with_expecting, with_output, with_why
from proxy.cli.output import say_answer


@click.command(epilog="Example: shunt switch shop green --wait 30s")
@click.argument("scope")
@click.argument("version")
@click.option("--force", is_flag=True, help="Also to a colour without a healthy target.")
@click.option("--wait", type=DURATION, default=0.0, help="Wait so long until nothing is in flight on the old colour.")
@with_expecting
@with_why
@with_output
@with_client
def switch(
    client: Client, scope: str, version: str, force: bool, wait: float, expecting: int | None, why: str, output: str
) -> None:
    """Make VERSION the active colour of SCOPE (service or service/route)."""
    said: dict[str, Json] = {"scope": scope, "version": version, "force": force, "wait_seconds": wait}
    say_answer(client.post("/v1/switch", {**said, "expecting": expecting, "why": why}, wait), output)


@click.command(epilog="Examples: shunt weight shop 25; shunt weight shop/api blue=80,green=15,next=5")
@click.argument("scope")
@click.argument("weight")
@with_expecting
@with_why
@with_output
@with_client
def weight(client: Client, scope: str, weight: str, expecting: int | None, why: str, output: str) -> None:
    """Give the candidate of SCOPE a WEIGHT in percent, or several versions their weights."""
    said: dict[str, Json] = {"scope": scope, "expecting": expecting, "why": why}
    said |= {"weights": _weights(weight)} if "=" in weight else {"weight": _number(weight.removesuffix("%"))}
    say_answer(client.post("/v1/weight", said), output)


@click.command(epilog="Example: shunt hold shop --max 10s --for 30s && migrate; shunt release shop")
@click.argument("service")
@click.option("--max", "max_", type=DURATION, default="10s", show_default=True, help="How long each request may wait.")
@click.option("--for", "for_", type=DURATION, default="30s", show_default=True, help="When a forgotten hold ends.")
@click.option("--wait", type=DURATION, help="How long to wait for requests in flight; default: as --max.")
@with_why
@with_output
@with_client
def hold(client: Client, service: str, max_: float, for_: float, wait: float | None, why: str, output: str) -> None:
    """Let new requests of SERVICE wait in the proxy; return when none is in flight."""
    said: dict[str, Json] = {"service": service, "max_seconds": max_, "for_seconds": for_}
    answer = client.post("/v1/hold", {**said, "wait_seconds": wait, "why": why}, max_ if wait is None else wait)
    say_answer(answer, output)


@click.command(epilog="Example: shunt release shop")
@click.argument("service")
@with_why
@with_output
@with_client
def release(client: Client, service: str, why: str, output: str) -> None:
    """Let the held requests of SERVICE go, in order."""
    say_answer(client.post("/v1/release", {"service": service, "why": why}), output)


@click.command(epilog="Examples: shunt drain shop/blue; shunt drain shop/blue@http://10.0.0.7:8080; ... --back")
@click.argument("place")
@click.option("--back", is_flag=True, help="Put it in again.")
@click.option("--force", is_flag=True, help="Also if nothing else answers.")
@click.option(
    "--wait", type=DURATION, default="30s", show_default=True, help="How long to wait for requests in flight."
)
@with_expecting
@with_why
@with_output
@with_client
def drain(
    client: Client, place: str, back: bool, force: bool, wait: float, expecting: int | None, why: str, output: str
) -> None:
    """Take PLACE (service/version or service/version@target) out of choice; return when nothing is in flight."""
    name, _, target = place.partition("@")
    service, slash, version = name.partition("/")
    if not slash or not version:
        raise click.BadParameter("a service/version or service/version@target, such as shop/blue", param_hint="PLACE")
    said: dict[str, Json] = {"service": service, "version": version, "target": target, "back": back, "force": force}
    said |= {"wait_seconds": wait, "expecting": expecting, "why": why}
    say_answer(client.post("/v1/drain", said, wait), output)


@click.command(epilog="Example: shunt undo shop")
@click.argument("service", required=False)
@with_expecting
@with_why
@with_output
@with_client
def undo(client: Client, service: str | None, expecting: int | None, why: str, output: str) -> None:
    """Take back the last verb, of SERVICE or of all. What came from a file is undone in the file."""
    say_answer(client.post("/v1/undo", {"service": service, "expecting": expecting, "why": why}), output)


@click.command(epilog="Example: shunt reset shop")
@click.argument("service")
@with_expecting
@with_why
@with_output
@with_client
def reset(client: Client, service: str, expecting: int | None, why: str, output: str) -> None:
    """Drop the overrides of SERVICE: what the rules file says holds again."""
    say_answer(client.post("/v1/reset", {"service": service, "expecting": expecting, "why": why}), output)


def _weights(text: str) -> dict[str, Json]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {version: _number(share) for version, _, share in pairs}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number", param_hint="WEIGHT") from None
