"""A link: one worker as the brain hears it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

from proxy.control.dataplanes import WorkerStatus
from proxy.flags.flagset import Sources
from proxy.processes.channel import (
    Acknowledged,
    Answer,
    Ask,
    Counted,
    Frames,
    Hello,
    Noted,
    Question,
    Refused,
    Seen,
    decode,
    encode,
)
from proxy.rules import Rules

Settled = Acknowledged | Refused
"""What a worker made of a table."""
T = TypeVar("T")


class Link(asyncio.Protocol):
    """The brain's end of one worker's channel. It ends with the worker or with the brain, never in between."""

    def __init__(
        self,
        slot: int,
        pid: int,
        *,
        greeted: Callable[[Link, Hello], None],
        settled: Callable[[Link, Settled], None],
        counted: Callable[[int, object], None],
        seen: Callable[[str, Seen], None],
        ended: Callable[[Link], None],
    ) -> None:
        self.slot = slot
        self.pid = pid
        self.started = 0.0
        self.revision = 0
        """The last revision that it acknowledged."""
        self.is_serving = False
        self.known: Rules | None = None
        """The rules that it was sent last, None when nobody knows what it has."""
        self.known_flags: Sources | None = None
        self.missed_beats = 0
        self._greeted = greeted
        self._settled = settled
        self._counted = counted
        self._seen = seen
        self._ended = ended
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._numbers = itertools.count(1)
        self._questions: dict[int, asyncio.Future[Answer]] = {}
        self._verdicts: dict[int, asyncio.Future[Settled]] = {}

    @property
    def witness(self) -> str:
        """The name under which its worker's reports of rollouts are counted: no other worker ever has it."""
        return f"{self.pid}@{self.started!r}"

    # --- talking -----------------------------------------------------------------------

    def send(self, frames: Iterable[bytes]) -> None:
        """Queue frames; what a dead worker does not get, its successor does not need."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(frames)

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """Put a question; cancelled when the worker ends first."""
        number = next(self._numbers)
        reply = self._questions[number] = asyncio.get_running_loop().create_future()
        reply.add_done_callback(lambda _: self._questions.pop(number, None))
        self.send([encode(Ask(number, question))])
        self._give_up_if_ended(reply)
        return reply

    def expect(self, revision: int) -> asyncio.Future[Settled]:
        """What the worker will say of a revision; cancelled when it ends first."""
        verdict = self._verdicts[revision] = asyncio.get_running_loop().create_future()
        verdict.add_done_callback(lambda _: self._verdicts.pop(revision, None))
        self._give_up_if_ended(verdict)
        return verdict

    def status(self) -> WorkerStatus:
        """The worker as the status shows it."""
        return WorkerStatus(slot=self.slot, pid=self.pid, revision=self.revision, started=self.started)

    def close(self) -> None:
        """Let go of the channel; the worker goes on with its table."""
        if self._transport is not None:
            self._transport.close()

    def _give_up_if_ended(self, waited: asyncio.Future[T]) -> None:
        if self._transport is None or self._transport.is_closing():
            waited.cancel()

    # --- hearing -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, received: bytes) -> None:
        self.missed_beats = 0
        for frame in self._frames.feed(received):
            self._hear(decode(frame))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for reply in list(self._questions.values()):
            reply.cancel()
        for verdict in list(self._verdicts.values()):
            verdict.cancel()
        self._ended(self)

    def _hear(self, message: object) -> None:
        match message:
            case Hello():
                self.started, self.revision, self.is_serving = message.started, message.revision, message.is_serving
                self._greeted(self, message)
            case Acknowledged() | Refused():
                self._settle(message)
            case Answer():
                _resolve(self._questions.get(message.number), message)
            case Counted():
                self.send([encode(Noted(message.number))])
                self._counted(self.slot, message.counters)
            case Seen():
                self._seen(self.witness, message)

    def _settle(self, message: Settled) -> None:
        if isinstance(message, Acknowledged):
            self.revision = message.revision
        else:
            self.known = self.known_flags = None  # it went back to what it had; the next table is sent whole
        self._settled(self, message)
        _resolve(self._verdicts.get(message.revision), message)


def _resolve(waited: asyncio.Future[T] | None, outcome: T) -> None:
    if waited is not None and not waited.done():
        waited.set_result(outcome)
