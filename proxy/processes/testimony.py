"""Testimony: what a worker saw of the rollouts, told in order, and kept until the brain has it on the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from proxy.analysis.witness import Sighting, Watch, Witness
from proxy.processes.channel import Seen

MOST_UNKEPT = 4096
"""Reports that may wait for the disk; with more the witness goes on counting, and they travel together later."""


class Line(Protocol):
    """The worker's end of its channel."""

    def send(self, message: object) -> bool:
        """Say something; False when nobody reads it."""
        ...


class Testimony:
    """One worker's reports. Each is counted once, whichever end dies: the brain says from which number to go on."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._line: Line | None = None
        self._last: list[Sighting] = []
        """What was seen of rollouts that are no longer watched."""
        self._unkept: deque[Seen] = deque()
        self._number = 0
        self._sent = 0

    def watch(self, watches: Iterable[Watch]) -> None:
        """Look for these from now on."""
        self._last += self._witness.watch(watches)

    def keep(self, number: int, line: Line) -> None:
        """The brain at the end of this line has all reports up to that number on its disk."""
        while self._unkept and self._unkept[0].number <= number:
            self._unkept.popleft()
        if line is not self._line:
            self._line, self._sent = line, number
        self._send_on()

    def pause(self) -> None:
        """The brain is away: go on counting until the next one says what it has."""
        self._line = None

    def tell(self) -> None:
        """Report what was seen since the last time, if there is anything and somebody listens."""
        if self._line is None or not self._send_on() or len(self._unkept) >= MOST_UNKEPT:
            return
        sightings = (*self._last, *self._witness.delta())
        if sightings:
            self._last = []
            self._number += 1
            self._unkept.append(Seen(self._number, sightings))
            self._send_on()

    def _send_on(self) -> bool:
        """Send what was not sent on this line, in order; whether all of it is on its way."""
        for seen in self._unkept:
            if seen.number > self._sent:
                if self._line is None or not self._line.send(seen):
                    return False
                self._sent = seen.number
        return True
