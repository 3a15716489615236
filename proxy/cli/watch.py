"""To watch: ask again and again, and show what is new; redrawn on a terminal, a document each in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, TypeVar

import click

from proxy.cli.client import Client, Json
from proxy.cli.options import DURATION
from proxy.cli.output import console, show

if TYPE_CHECKING:
    from rich.console import RenderableType

R = TypeVar("R")
Found = dict[str, Json]


def with_watch(function: Callable[..., R]) -> Callable[..., R]:
    """`--watch` and `--interval`, given as `interval`: seconds, or None to look once."""

    @click.option("--watch", "-w", is_flag=True, help="Go on showing it until interrupted.")
    @click.option("--interval", type=DURATION, default="1s", show_default=True, help="How often, with --watch.")
    @wraps(function)
    def called(watch: bool, interval: float, **options: object) -> R:
        return function(interval=interval if watch else None, **options)

    return called


def look(
    client: Client, path: str, interval: float | None, output: str, drawn: Callable[[Found], Iterable[RenderableType]]
) -> None:
    """Show what the admin API answers at the path, once or every `interval` seconds until interrupted."""
    if interval is None:
        _show_new([client.get(path)], output, drawn)
        return
    states = _states(client, path, interval)
    # Ctrl-C is how a watch ends.
    with suppress(KeyboardInterrupt):
        if output == "table" and sys.stdout.isatty():
            _redraw(states, drawn)
        else:
            _show_new(states, output, drawn)


def _states(client: Client, path: str, interval: float) -> Iterator[Found]:
    while True:
        yield client.get(path)
        time.sleep(interval)


def _redraw(states: Iterable[Found], drawn: Callable[[Found], Iterable[RenderableType]]) -> None:
    from rich.console import Group
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        for found in states:
            live.update(Group(*drawn(found)), refresh=True)


def _show_new(states: Iterable[Found], output: str, drawn: Callable[[Found], Iterable[RenderableType]]) -> None:
    """One document for each state that differs from the one before; for pipes and programs."""
    shown: Found = {}
    for found in states:
        if found != shown:
            shown = found
            show(found, output, partial(drawn, found))
            sys.stdout.flush()
