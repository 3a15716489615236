"""The ledger: who changed what, when, and why. Bounded; what it forgets, it counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from proxy.overrides import Override

CAPACITY = 1000

Kind = Literal["file", "verb", "rollout", "note", "failed"]


class By(NamedTuple):
    """Who asks for a change, in which words, and for what reason."""

    who: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One override before and after a change; None where there was or is none."""

    scope: str
    field: str
    before: Override | None
    after: Override | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger; `when` in seconds since the epoch."""

    number: int
    """Counts every entry there ever was, so that a reader can ask for what it has not seen."""
    revision: int
    when: float
    who: str
    what: str
    why: str = ""
    kind: Kind
    """`file`: undone in the file; `note`: no new table, such as a hold; `failed`: was taken back at once."""
    moves: tuple[Move, ...] = ()
    services: tuple[str, ...] = ()
    undone_by: int = 0
    """The revision that took it back; 0 while it stands."""

    @property
    def is_undoable(self) -> bool:
        return self.kind in ("verb", "rollout") and not self.undone_by and bool(self.moves)


class Ledger:
    """The latest entries, oldest first."""

    __slots__ = ("_entries", "forgotten")

    def __init__(self, entries: Iterable[Entry] = (), *, capacity: int = CAPACITY, forgotten: int = 0) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self.forgotten = forgotten
        for entry in entries:
            self._append(entry)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def write(
        self,
        by: By,
        *,
        when: float,
        revision: int,
        kind: Kind,
        moves: tuple[Move, ...] = (),
        services: tuple[str, ...] = (),
    ) -> Entry:
        """Add an entry; the oldest makes room for it."""
        number = self._entries[-1].number + 1 if self._entries else self.forgotten + 1
        entry = Entry(
            number=number,
            revision=revision,
            when=when,
            who=by.who,
            what=by.what,
            why=by.why,
            kind=kind,
            moves=moves,
            services=services,
        )
        self._append(entry)
        return entry

    def latest(self, count: int, *, service: str | None = None) -> tuple[Entry, ...]:
        """The last `count` entries, newest first, of one service or of all."""
        chosen = [entry for entry in reversed(self._entries) if service is None or service in entry.services]
        return tuple(chosen[:count])

    def undoable(self, service: str | None = None) -> Entry | None:
        """The last verb that still stands, of one service or of all; None when there is none."""
        return next((entry for entry in self.latest(len(self._entries), service=service) if entry.is_undoable), None)

    def strike(self, number: int, *, by_revision: int, failed: bool = False) -> None:
        """Mark an entry as taken back by a later revision; an entry that was forgotten stays forgotten."""
        for index, entry in enumerate(self._entries):
            if entry.number == number:
                kind: Kind = "failed" if failed else entry.kind
                self._entries[index] = replace(entry, undone_by=by_revision, kind=kind)
                return

    def unstrike(self, revision: int) -> None:
        """Let what a revision took back stand again, because that revision failed."""
        for index, entry in enumerate(self._entries):
            if entry.undone_by == revision:
                self._entries[index] = replace(entry, undone_by=0)

    def _append(self, entry: Entry) -> None:
        if len(self._entries) == self._entries.maxlen:
            self.forgotten += 1
        self._entries.append(entry)
