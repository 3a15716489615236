"""`shunt upgrade`: the code that is on the disk now takes over from the code that runs."""

from __future__ import annotations

import sys
import time

import click

from proxy.cli.client import INCOMPLETE, Client, Refused, Unreachable
from proxy.cli.options import DURATION, with_client, with_why

_POLL_SECONDS = 0.1


@click.command(epilog="Example: pip install --upgrade shunt-proxy && shunt upgrade")
@click.option("--wait", type=DURATION, default="60s", show_default=True, help="How long to wait for it.")
@with_why
@with_client
def upgrade(client: Client, wait: float, why: str) -> None:
    """Let the code on the disk take over; return when all of it serves. The old code drains meanwhile.

    The new code reads the settings and the rules first; if it cannot, or does not start, the old code stays.
    """
    before = client.get("/v1/status")["generation"]
    client.post("/v1/upgrade", {"why": why})
    until = time.monotonic() + wait
    while time.monotonic() < until:
        try:
            status = client.get("/v1/status")
        except Unreachable:
            status = {
                "generation": before,
                "upgrade_fault": "",
            }  # between two brains
        if status["upgrade_fault"]:
            raise Refused(f"not upgraded: {status['upgrade_fault']}")
        if status["generation"] != before:
            click.echo(f"upgraded: generation {status['generation']} serves")
            return
        time.sleep(_POLL_SECONDS)
    click.echo("the upgrade is not complete yet", err=True)
    sys.exit(INCOMPLETE)
