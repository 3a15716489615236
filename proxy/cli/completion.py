"""Completion: the script that teaches a shell the verbs and their options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(epilog='Example: eval "$(shunt completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL."""
    from proxy.cli import shunt

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(shunt, {}, "shunt", "_SHUNT_COMPLETE").source())
