"""Faults of flag sources: every one of them, each with its file and its path."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from proxy.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

Path = tuple[str | int, ...]


class FlagFault(NamedTuple):
    """One thing that is wrong: where it stands and what would cure it."""

    file: str
    path: Path
    wrong: str

    def __str__(self) -> str:
        return f"{self.file}: {dotted(self.path)}: {self.wrong}" if self.path else f"{self.file}: {self.wrong}"


class BrokenFlags(Invalid):
    """The flag sources have faults; the flags that were in force before stay in force."""

    def __init__(self, faults: Iterable[FlagFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class Faults:
    """Collects the faults of one file while it is read on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[FlagFault] = []

    def add(self, path: Path, wrong: str) -> None:
        """One more fault of this file."""
        self.found.append(FlagFault(self.file, path, wrong))


def dotted(path: Path) -> str:
    """A path as people write it: `flags.checkout.targeting.if[1]`."""
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else step
    return written


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` if the name is close to a known one, else nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
