"""`shunt run` only reads its options; the proxy itself is started by `proxy.app`."""

from __future__ import annotations

import json
import os
import sys

import click


@click.command(epilog="Example: shunt run --rules rules.yaml --listen 127.0.0.1:8080")
@click.option("--rules", help="The rules: a file, or a directory of *.yaml files.")
@click.option("--config", "config_", help="The static settings, shunt.yaml.")
@click.option("--listen", multiple=True, help="host:port, [v6]:port or unix:/path; may be repeated.")
@click.option("--flags", help="Feature flags: a directory, or a file.")
@click.option("--ofrep", help="Where applications ask for flags, with --flags.")
@click.option("--workers", help="How many worker processes, or auto.")
@click.option("--admin", help="Where the admin API listens.")
@click.option("--telemetry", help="Where metrics and probes listen.")
@click.option("--state", help="The file that keeps overrides and the ledger.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--access-log", type=click.Choice(["off", "json", "common"]))
def run(
    rules: str | None,
    config_: str | None,
    listen: tuple[str, ...],
    flags: str | None,
    ofrep: str | None,
    workers: str | None,
    admin: str | None,
    telemetry: str | None,
    state: str | None,
    log_level: str | None,
    access_log: str | None,
) -> None:
    """Start the proxy. Every setting can also come from shunt.yaml or from SHUNT_… in the environment."""
    from proxy import app, config

    said: dict[str, str | tuple[str, ...] | None] = {
        "rules": rules,
        "listen": listen or None,
        "flags": flags,
        "ofrep": ofrep,
        "workers": workers,
        "admin": admin,
        "telemetry": telemetry,
        "state": state,
        "log.level": log_level,
        "log.access": access_log,
    }
    try:
        settings = config.load_settings(config_, os.environ, said)
    except config.Faults as faults:
        click.echo(str(faults), err=True)
        sys.exit(2)
    sys.exit(app.run(settings, json.dumps({"config": config_, "said": said})))


@click.command(epilog="Example: shunt demo --seconds 30")
@click.option("--seconds", type=click.FloatRange(min=0), default=0.0, help="End by itself after so long; 0: on Ctrl-C.")
@click.option("--load/--no-load", default=True, show_default=True, help="Send requests, so that the view moves.")
@click.option("--port", type=click.IntRange(0, 65535), help="The proxy's port; 0: any. Default: 8080 if it is free.")
def demo(seconds: float, load: bool, port: int | None) -> None:
    """Start demo backends, the proxy in front, and a live view of who gets what."""
    from proxy.demo.play import main

    sys.exit(main(seconds=seconds, has_load=load, port=port))
