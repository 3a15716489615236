"""What the store must remember, as sections of the state and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from proxy.control.state import KEPT, LEDGER, ROLLOUTS, Json
from proxy.ledger import Entry, Ledger
from proxy.store import Kept

T = TypeVar("T")

_KEPT = TypeAdapter(Kept)
_ENTRIES = TypeAdapter(list[Entry])


class Remembered(NamedTuple):
    """What a former run left behind."""

    kept: Kept
    ledger: Ledger
    rollouts: Json
    lost: tuple[str, ...]
    """Sections that are whole but not to be understood, in words for people."""


def sections(kept: Kept, ledger: Ledger, rollouts: Json) -> dict[str, Json]:
    """The sections in the order of their worth."""
    entries = _ENTRIES.dump_python(list(ledger.entries), mode="json")
    return {
        KEPT: _KEPT.dump_python(kept, mode="json"),
        ROLLOUTS: rollouts,
        LEDGER: {"forgotten": ledger.forgotten, "entries": entries},
    }


def remember(found: Mapping[str, Json]) -> Remembered:
    """Read the sections back; what this release cannot understand is named as lost."""
    lost: list[str] = []
    kept = _read(_KEPT, KEPT, found.get(KEPT, {}), lost) or Kept()
    written = found.get(LEDGER)
    book = written if isinstance(written, dict) else {}
    entries = _read(_ENTRIES, LEDGER, book.get("entries", []), lost) or []
    forgotten = book.get("forgotten", 0)
    ledger = Ledger(entries, forgotten=forgotten if isinstance(forgotten, int) else 0)
    return Remembered(kept, ledger, found.get(ROLLOUTS), tuple(lost))


def _read(adapter: TypeAdapter[T], name: str, value: Json, lost: list[str]) -> T | None:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        lost.append(f"{name}: {error.error_count()} values of another release")
        return None
