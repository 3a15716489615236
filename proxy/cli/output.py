"""How answers look: a table for people, JSON or YAML for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from proxy.cli.client import INCOMPLETE, Json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

PIPE_COLUMNS = 160
"""Where nobody's terminal says how wide it is, tables are not squeezed."""


def show(value: Json, output: str, people: Callable[[], Iterable[RenderableType]]) -> None:
    """Print the value as asked; what `people` draws is only made for people."""
    if output == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    elif output == "yaml":
        click.echo(as_yaml(value), nl=False)
    else:
        screen = console()
        for part in people():
            # A line that goes into a pipe stays one line, so that `grep` finds all of it.
            screen.print(part, soft_wrap=isinstance(part, str) and not screen.is_terminal)


def as_yaml(value: Json) -> str:
    """The value as YAML text."""
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def console() -> Console:
    """Where people look."""
    from rich.console import Console

    # Without markup: names and reasons are users' words, and a bracket in them is a bracket.
    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False, markup=False)


def styled(text: str, style: str) -> Text:
    """Text that stands out."""
    from rich.text import Text

    return Text(text, style=style)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    """A plain table; columns whose name starts with `#` are numbers."""
    from rich import box
    from rich.table import Table

    drawn = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    return drawn


def mapping(value: Json) -> dict[str, Json]:
    """The value as a mapping; empty when it is none."""
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[dict[str, Json]]:
    """The mappings of a list."""
    return [mapping(item) for item in value] if isinstance(value, list) else []


def strings(value: Json) -> list[str]:
    """The items of a list as text."""
    return [str(item) for item in value] if isinstance(value, list) else []


def number(value: Json) -> float:
    """The value as a number; 0 when it is none."""
    return float(value) if isinstance(value, (int, float)) else 0.0


def moment(when: float) -> str:
    """Seconds since the epoch as this place writes them; "" for 0, which is never."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) if when else ""


def length(seconds: float) -> str:
    """How long, in the two largest units."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def say_answer(answer: dict[str, Json], output: str) -> None:
    """Print what became of a verb, and exit with 3 when its bound was reached."""
    show(answer, output, lambda: _told(answer))
    if not answer["complete"]:
        sys.exit(INCOMPLETE)


def _told(answer: dict[str, Json]) -> Iterable[str]:
    left = f", {answer['in_flight']} still in flight" if answer["in_flight"] else ""
    yield f"{answer['message']} (revision {answer['revision']}){left}"
    if not answer["complete"]:
        yield "incomplete: the bound was reached"
    if answer["held"]:
        yield f"{answer['held']} requests are held"
    for slot in strings(answer["replaced_workers"]):
        yield f"worker {slot} did not answer in time and was replaced"
    for void in sequence(answer["void_overrides"]):
        place = f" at {void['scope']}" if void["scope"] else ""
        yield f"the override of {void['field']}{place} ended: its file says something else now"
    yield from strings(answer["notes"])
