"""A worker's books: what it counts, what it logs, and who wants to hear of a failure at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from proxy.analysis.witness import Witness
from proxy.model import Dice
from proxy.observe.access_log import AccessLog, Writer
from proxy.observe.stats import Gauges, Stats
from proxy.plan import Outcome
from proxy.settings import Settings


class Books(Stats):
    """Statistics that call when a candidate has failed, for the judge shall not wait for the next report."""

    __slots__ = ("_failed", "log", "witness")

    def __init__(self, failed: Callable[[], None], gauges: Gauges) -> None:
        super().__init__(gauges)
        self._failed = failed
        self.log: AccessLog | None = None
        self.witness = Witness()

    def record(self, outcome: Outcome) -> None:
        super().record(outcome)
        if self.log is not None:
            self.log.record(outcome)
        if self.witness.seen(outcome):
            self._failed()


def open_access_log(settings: Settings, books: Stats, dice: Dice) -> AccessLog | None:
    """The log that the settings ask for, on stdout; its lost lines are counted in the books."""
    if settings.log.access == "off":
        return None
    writer = Writer(sys.stdout.fileno())
    writer.start()
    return AccessLog(settings.log, writer, asyncio.get_running_loop().call_later, dice, books.lose_log_lines)
