"""The view: who gets what share, how fast, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.demo.readings import Figures, Name
from proxy.demo.script import Stage, acts

_BAR_CELLS = 24


class Clients(NamedTuple):
    """What the made-up clients saw during one interval, and failures since the start."""

    per_second: float
    slowest_seconds: float
    failed: int


def table(figures: Mapping[Name, Figures], clients: Clients | None) -> RenderableType:
    """The live table."""
    shown = Table(expand=False, border_style="dim", title="who gets what, by the proxy's own metrics")
    for heading in ("service", "version"):
        shown.add_column(heading)
    shown.add_column("share", min_width=_BAR_CELLS + 6)
    for heading in ("req/s", "p50", "p99", "5xx", "rescued", "copies"):
        shown.add_column(heading, justify="right")
    last = ""
    for name, seen in sorted(figures.items()):
        if last and name.service != last:
            shown.add_section()
        shown.add_row(
            name.service if name.service != last else "",
            name.version,
            _bar(seen.share),
            f"{seen.per_second:.1f}",
            milliseconds(seen.median_seconds),
            milliseconds(seen.p99_seconds),
            Text(f"{seen.errors:.0f}", style="bold red" if seen.errors else "dim"),
            Text(f"{seen.rescued:.0f}", style="yellow" if seen.rescued else "dim"),
            Text(f"{seen.copies:.0f}", style="cyan" if seen.copies else "dim"),
        )
        last = name.service
    return Group(shown, Text(clients_line(clients)) if clients else Text("no load: send requests yourself"))


def clients_line(clients: Clients) -> str:
    """What the clients saw, in words."""
    return (
        f"clients: {clients.per_second:.0f} requests/s, slowest {milliseconds(clients.slowest_seconds)}, "
        f"{clients.failed} failed since the start"
    )


def line(seconds: float, figures: Mapping[Name, Figures], clients: Clients | None) -> str:
    """The same in one line, for a terminal that is none."""
    services: dict[str, list[str]] = {}
    for name, seen in sorted(figures.items()):
        services.setdefault(name.service, [])
        if seen.per_second:
            p99 = milliseconds(seen.p99_seconds)
            services[name.service].append(f"{name.version} {seen.share:.0%} p99 {p99} 5xx {seen.errors:.0f}")
    parts = [f"{service}: {', '.join(versions)}" for service, versions in services.items() if versions]
    return " | ".join([f"{seconds:.0f} s", *parts, *([clients_line(clients)] if clients else [])])


def playbill(stage: Stage) -> str:
    """Where everything listens, and commands to copy."""
    lines = [
        "",
        f"  proxy      {stage.proxy}   (Host: shop.localhost, account.localhost, search, reports, news, echo)",
        f"  admin      {stage.admin}",
        f"  metrics    {stage.telemetry}/metrics",
        f"  rules      {stage.rules}",
        f"  WebSocket  {stage.proxy.replace('127.0.0.1', 'echo.localhost')}/ in a browser",
        "",
        "Try these from another terminal:",
    ]
    for title, commands in acts(stage):
        lines += ["", f"  # {title}", *(f"  {command}" for command in commands)]
    return "\n".join([*lines, "", "Ctrl-C ends the demo.", ""])


def milliseconds(seconds: float | None) -> str:
    """A time for people."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def _bar(share: float) -> Text:
    full = round(share * _BAR_CELLS)
    return Text.assemble(("█" * full, "green"), ("░" * (_BAR_CELLS - full), "dim"), f" {share:4.0%}")
