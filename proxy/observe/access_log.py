"""The access log: what happened to each request, told without ever making one wait."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

from proxy.model import Dice
from proxy.observe.log_lines import MOST_BYTES, Entry, Format, common_lines, json_lines
from proxy.plan import Outcome
from proxy.settings import Log

FLUSH_SECONDS = 0.1
MOST_PENDING = 8192
"""Outcomes that wait for their line; about a second of a worker's full load."""
BATCH_LINES = 128
"""Lines made in one go, well under a millisecond: the loop serves requests in between."""
MOST_QUEUED_BYTES = 4 << 20
"""Lines that wait for a slow reader."""

Later = Callable[[float, Callable[[], None]], object]
"""Call a function after so many seconds; `loop.call_later` is one."""


class AccessLog:
    """Takes outcomes from requests, makes lines of them in batches, hands those to a writer.

    `lost` is called with the number of lines that nobody will read.
    """

    def __init__(self, log: Log, writer: Writer, later: Later, dice: Dice, lost: Callable[[int], None]) -> None:
        self._format: Format = common_lines if log.access == "common" else json_lines
        self._share = log.sample / 100
        self._errors_only = log.errors_only
        self._writer = writer
        self._later = later
        self._dice = dice
        self._lost = lost
        self._pending: list[Entry] = []
        self._is_due = False

    def record(self, outcome: Outcome) -> None:
        """Remember the outcome for the next batch, if it is to be logged at all."""
        if self._errors_only and not is_error(outcome):
            return
        if self._share < 1.0 and self._dice.random() >= self._share:
            return
        if len(self._pending) >= MOST_PENDING:
            self._lost(1)
            return
        self._pending.append((time.time(), outcome))
        if not self._is_due:
            self._is_due = True
            self._later(FLUSH_SECONDS, self._flush)

    def close(self, bound: float) -> None:
        """Make the lines that are left and wait at most `bound` seconds until they are written."""
        while self._pending:
            self._write_batch()
        self._writer.close(bound)
        self._count_lost(0)

    def _flush(self) -> None:
        self._write_batch()
        self._is_due = bool(self._pending)
        if self._is_due:
            self._later(0.0, self._flush)

    def _write_batch(self) -> None:
        entries = self._pending[:BATCH_LINES]
        del self._pending[:BATCH_LINES]
        self._count_lost(self._writer.write(self._format(entries)))

    def _count_lost(self, lines: int) -> None:
        lines += self._writer.take_lost()
        if lines:
            self._lost(lines)


def is_error(outcome: Outcome) -> bool:
    """Whether the request went wrong for the client or at the drawn version, rescued or not."""
    return outcome.status >= 500 or bool(outcome.cause) or bool(outcome.drawn_failure)


class Writer:
    """A thread that writes lines to a descriptor; only the thread ever waits for the reader.

    The descriptor may be shared with other processes, so it stays blocking, and no write is longer
    than what a pipe takes whole: lines of several workers never run into each other.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._queued_bytes = 0
        self._lost = 0
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, lines: list[bytes]) -> int:
        """Queue the lines and return at once; the number of those for which there was no room."""
        chunks = chunked(lines)
        size = sum(len(chunk) for chunk, _ in chunks)
        with self._changed:
            if self._queued_bytes + size > MOST_QUEUED_BYTES:
                return len(lines)
            self._chunks.extend(chunks)
            self._queued_bytes += size
            self._changed.notify()
        return 0

    def take_lost(self) -> int:
        """The number of lines lost since the last call because the reader is gone."""
        with self._changed:
            lost, self._lost = self._lost, 0
        return lost

    def close(self, bound: float) -> None:
        """Wait at most `bound` seconds until all is written; what is left then is lost."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(bound)
        with self._changed:
            self._lost += sum(lines for _, lines in self._chunks)
            self._chunks.clear()

    def _run(self) -> None:
        while (chunk := self._next()) is not None:
            text, lines = chunk
            try:
                _write_whole(self._descriptor, text)
            except OSError:  # the reader is gone, or the disk is full: count and go on
                with self._changed:
                    self._lost += lines

    def _next(self) -> tuple[bytes, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._is_closing)
            if not self._chunks:
                return None
            chunk = self._chunks.popleft()
            self._queued_bytes -= len(chunk[0])
            return chunk


def chunked(lines: list[bytes]) -> list[tuple[bytes, int]]:
    """The lines in pieces of at most MOST_BYTES, each with the number of its lines."""
    chunks: list[tuple[bytes, int]] = []
    first = size = 0
    for position, line in enumerate(lines):
        size += len(line)
        if size > MOST_BYTES and position > first:
            chunks.append((b"".join(lines[first:position]), position - first))
            first, size = position, len(line)
    if lines:
        chunks.append((b"".join(lines[first:]), len(lines) - first))
    return chunks


def _write_whole(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
