"""Header edits: what rules remove, set and add, made ready once and applied to the bytes of a head."""

from __future__ import annotations

from proxy.model import CRLF
from proxy.rules import Edits, Headers


class HeadEdits:
    """Edits in the order remove, set, add; several may follow one another (the route's, then the version's)."""

    __slots__ = ("_lines", "_removed", "is_empty")

    def __init__(self, *edits: Edits) -> None:
        self._removed: list[bytes] = []
        lines: list[str] = []
        for edit in edits:
            self._removed += [_line_start(name) for name in (*edit.remove, *edit.set)]
            gone = {name.lower() for name in (*edit.remove, *edit.set)}
            lines = [line for line in lines if line.partition(":")[0].lower() not in gone]
            lines += [f"{name}: {value}\r\n" for name, value in (*edit.set.items(), *edit.add.items())]
        self._lines = "".join(lines).encode("latin-1")
        self.is_empty = not self._removed and not self._lines

    def apply(self, head: bytes) -> bytes:
        """The head (start-line and field lines, without the empty line) with the edits made."""
        lowered = head.lower() if self._removed else b""
        for start_of_line in self._removed:
            at = lowered.find(start_of_line)
            while at >= 0:
                end = lowered.find(CRLF, at + 2)
                head = head[: at + 2] + head[end + 2 :]
                lowered = lowered[: at + 2] + lowered[end + 2 :]
                at = lowered.find(start_of_line)
        return head + self._lines


def _line_start(name: str) -> bytes:
    return CRLF + name.lower().encode("latin-1") + b":"


_NONE = HeadEdits()


def edits_of(headers: Headers | None) -> tuple[HeadEdits, HeadEdits]:
    """The edits of requests and of responses, ready to apply."""
    if headers is None:
        return _NONE, _NONE
    return HeadEdits(headers.request), HeadEdits(headers.response)
