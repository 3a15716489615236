"""Faults: all that is wrong with a configuration, each with file, line, path and cure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from proxy.errors import Invalid

Path = tuple[str | int, ...]

MOST_FAULTS = 1000
"""A file that is wrong throughout is refused as well with this many faults as with all of them."""


class Fault(NamedTuple):
    """One thing that is wrong; `line` counts from 1, 0 where there are no lines (environment, command line)."""

    file: str
    line: int
    path: str
    wrong: str
    cure: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        cure = f"; {self.cure}" if self.cure else ""
        return _one_line(f"{place}: {path}{self.wrong}{cure}")


class Faults(Invalid):
    """A configuration that cannot be obeyed; `str()` has one line for each fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[Faults], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


def dotted(path: Path) -> str:
    """A path as people write it: `services.shop.routes[0].match`."""
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else step
    return written


def meant(name: str, known: Iterable[str], *, what: str = "known are") -> str:
    """`did you mean …?` if the name is close to a known one, else the known ones."""
    names = list(known)
    close = get_close_matches(name, names, n=1) or get_close_matches(name.lower().replace("-", "_"), names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    return f"{what} {listed}" if names else ""


def shown(value: object) -> str:
    """A value of the file, short enough for one line."""
    text = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


_MOST_NAMES = 20
_LONGEST = 80
