"""The command line: every verb is loaded when it is called, so that each starts fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from keyword import iskeyword
from typing import NamedTuple

import click

from proxy import __version__


class Verb(NamedTuple):
    """Where a verb lives, and what the overview says of it."""

    module: str
    summary: str


VERBS = {
    "run": Verb("proxy.cli.run", "Start the proxy."),
    "demo": Verb("proxy.cli.run", "Start the proxy with demo backends and a live view."),
    "status": Verb("proxy.cli.look", "Show services, versions, overrides and workers."),
    "top": Verb("proxy.cli.top", "Show who gets how much, how fast and how well, live."),
    "switch": Verb("proxy.cli.change", "Make a colour the active one."),
    "weight": Verb("proxy.cli.change", "Set the share of a canary."),
    "hold": Verb("proxy.cli.change", "Let new requests of a service wait."),
    "release": Verb("proxy.cli.change", "Let the held requests go."),
    "rollout": Verb("proxy.cli.rollout", "Move traffic step by step, and back if the candidate is worse."),
    "drain": Verb("proxy.cli.change", "Take a version or target out of choice."),
    "flags": Verb("proxy.cli.flags", "Show the feature flags."),
    "flag": Verb("proxy.cli.flags", "Set a feature flag, or clear what was set."),
    "undo": Verb("proxy.cli.change", "Take back the last verb."),
    "reset": Verb("proxy.cli.change", "Drop a service's overrides: the file holds again."),
    "upgrade": Verb("proxy.cli.upgrade", "Let the code on the disk take over, without losing a request."),
    "explain": Verb("proxy.cli.ask", "Say who would answer a request, and why."),
    "check": Verb("proxy.cli.ask", "Check rules files."),
    "schema": Verb("proxy.cli.ask", "Print the JSON Schema of rules or settings."),
    "import": Verb("proxy.cli.bring", "Turn manifests of Istio, Argo, Flagger or ingress-nginx into rules."),
    "export": Verb("proxy.cli.look", "Print the rules with overrides folded in."),
    "log": Verb("proxy.cli.look", "Show who did what, when and why."),
    "completion": Verb("proxy.cli.completion", "Print the shell's completion script."),
}
"""In the order of the overview. Each module has a click command under the verb's name, a keyword's with `_` behind."""


class Verbs(click.Group):
    """A group whose verbs are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = getattr(importlib.import_module(verb.module), f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as unknown:
            from difflib import get_close_matches

            close = get_close_matches(args[0], VERBS, n=1)
            if not close or args[0] in VERBS:
                raise
            raise click.UsageError(f"{unknown.format_message()} Did you mean {close[0]!r}?", ctx) from unknown

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 refused, nothing changed; 2 wrong usage or invalid; "
    "3 incomplete, a bound was reached; 4 no admin API was reached.",
)
@click.version_option(__version__, prog_name="shunt")
def shunt() -> None:
    """Move traffic between versions of a service without dropping a request."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the verb that the command line names, and exit with its code."""
    try:
        shunt.main(args=list(arguments) if arguments is not None else None, prog_name="shunt", standalone_mode=True)
    except BrokenPipeError:
        # The reader of our output has seen enough, as in `shunt log | head`.
        sys.stderr.close()
        sys.exit(0)
