"""All workers as one: every change is acknowledged by each of them, or the one that did not is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from proxy.analysis.witness import Watch
from proxy.control.dataplanes import ACKNOWLEDGE_SECONDS, CompileFailed, HoldReceipt, Receipt, WorkerStatus
from proxy.control.link import Link, Settled
from proxy.flags.flagset import NO_FLAGS, Sources
from proxy.processes.channel import (
    Acknowledged,
    Answer,
    CloseTunnels,
    FlagsGiven,
    Hello,
    Hold,
    HowManyInFlight,
    Kept,
    LookFor,
    Question,
    Refused,
    Release,
    Seen,
    Serve,
    SetHealth,
    encode,
)
from proxy.processes.generation import is_guest
from proxy.processes.slices import cut
from proxy.rules import Rules
from proxy.targets import Address

BEAT_SECONDS = 1.0
"""A worker speaks at least so often."""
MISSED_BEATS = 3
"""A worker that was silent for so many is killed."""
END_SECONDS = 0.9
"""How long a killed worker may take to be gone before the caller is answered anyway."""

T = TypeVar("T")
Survey = Callable[[Rules], Awaitable[Mapping[str, tuple[Address, ...]]]]
_log = logging.getLogger(__name__)


async def _no_names(rules: Rules) -> Mapping[str, tuple[Address, ...]]:
    return {}


def _unheard(witness: str, seen: Seen) -> None:
    """Nobody judges."""


class Workers:
    """The data planes in their own processes. `kill` asks the supervisor to end a worker, by slot and pid.

    `survey` finds the addresses behind the targets' names before rules are given to the workers; `seen` hears what
    they saw of rollouts, under a name that no other worker has.

    A worker serves only after it has been told to, and it is told when its first table is the newest: so a
    change need not wait for one that is starting, and still none ever serves an older revision.
    """

    def __init__(
        self,
        kill: Callable[[int, int], None],
        counted: Callable[[int, object], None],
        survey: Survey = _no_names,
        seen: Callable[[str, Seen], None] = _unheard,
    ) -> None:
        self._kill = kill
        self._counted = counted
        self._survey = survey
        self._seen = seen
        self._watches: tuple[Watch, ...] = ()
        self._kept: Mapping[str, int] | None = None
        self._links: dict[int, Link] = {}
        self._revision = 0
        self._rules: Rules | None = None
        self._flags = NO_FLAGS
        self._endpoints: Mapping[str, tuple[Address, ...]] = {}
        self._holds: dict[str, tuple[Hold, float]] = {}
        self._health: dict[tuple[str, str, str], SetHealth] = {}
        self._moved = asyncio.Event()
        """Set whenever a worker comes, serves or goes."""
        self.newest_seen = 0
        """The highest revision that any worker had when it said hello."""

    # --- coming and going --------------------------------------------------------------

    async def attach(self, slot: int, pid: int, channel: socket.socket) -> None:
        """Take in the worker's channel that the supervisor made; the worker says hello on it."""
        link = Link(
            slot,
            pid,
            greeted=self._on_hello,
            settled=self._on_settled,
            counted=self._counted,
            seen=self._seen,
            ended=self._on_end,
        )
        former = self._links.get(slot)
        if former is not None:
            former.close()
        self._links[slot] = link
        channel.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: link, sock=channel)

    async def wait_serving(self, count: int) -> None:
        """Return once so many workers serve."""
        while self.count_serving() < count:
            await self._moved.wait()

    async def wait_none(self) -> None:
        """Return once the last worker is gone."""
        while self._links:
            await self._moved.wait()

    def count_serving(self) -> int:
        """How many workers serve now, without those of a former generation that drain."""
        return sum(link.is_serving and not is_guest(link.slot) for link in self._links.values())

    async def wait_greeted(self, count: int) -> None:
        """Return once so many workers have said hello."""
        while sum(link.started > 0 for link in self._links.values()) < count:
            await self._moved.wait()

    async def watch(self) -> None:
        """Kill whoever stays silent; runs until cancelled.

        A beat is missed only when this loop came round without hearing one, so a brain that was itself
        stopped finds its workers' words waiting and harms nobody.
        """
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for link in list(self._links.values()):
                if link.missed_beats >= MISSED_BEATS:
                    _log.warning("worker %d (pid %d) was silent for %d beats", link.slot, link.pid, link.missed_beats)
                    self._kill(link.slot, link.pid)
                link.missed_beats += 1

    def workers(self) -> Sequence[WorkerStatus]:
        """The workers that serve, by slot."""
        return [self._links[slot].status() for slot in sorted(self._links) if self._links[slot].is_serving]

    def _on_hello(self, link: Link, hello: Hello) -> None:
        self.newest_seen = max(self.newest_seen, hello.revision)
        link.send([encode(health) for health in self._health.values()])
        if self._kept is not None:
            self._welcome(link, self._kept)
        now = asyncio.get_running_loop().time()
        for hold, until in self._holds.values():
            if until > now:
                link.ask(Hold(hold.service, hold.max_seconds, until - now))
        if self._rules is not None:
            self._give(link, {})
        self._on_move()

    def _on_settled(self, link: Link, message: Settled) -> None:
        if isinstance(message, Refused):
            _log.error("worker %d cannot compile revision %d: %s", link.slot, message.revision, message.why)
        elif not link.is_serving and message.revision == self._revision:
            link.is_serving = True
            link.send([encode(Serve())])
            self._on_move()

    def _on_end(self, link: Link) -> None:
        if self._links.get(link.slot) is link:
            del self._links[link.slot]
        self._on_move()

    def _on_move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    # --- tables ------------------------------------------------------------------------

    async def publish(self, revision: int, rules: Rules, flags: Sources = NO_FLAGS) -> Receipt:
        """Give every worker the rules, the flags and the addresses behind its targets' names; see DataPlanes."""
        self._endpoints = await self._survey(rules)
        self._revision, self._rules, self._flags = revision, rules, flags
        encoded: dict[int, list[bytes]] = {}
        waited: dict[Link, asyncio.Future[Settled]] = {}
        for link in [link for link in self._links.values() if link.started]:
            if link.is_serving:
                waited[link] = link.expect(revision)
            self._give(link, encoded)
        verdicts, late = await self._gather(waited)
        refused = [verdict for verdict in verdicts.values() if isinstance(verdict, Refused)]
        if refused:
            raise CompileFailed(refused[0].why)
        agreed = {link: verdict for link, verdict in verdicts.items() if isinstance(verdict, Acknowledged)}
        return Receipt(
            revision=revision,
            acknowledged=tuple(sorted(link.slot for link in agreed)),
            replaced=late,
            in_flight=_sum(verdict.in_flight for verdict in agreed.values()),
        )

    def _give(self, link: Link, encoded: dict[int, list[bytes]]) -> None:
        """Send the present table as the difference to what the worker has; `encoded` spares doing it twice."""
        assert self._rules is not None
        frames = encoded.get(id(link.known))
        if frames is None:
            slices = cut(self._revision, self._rules, link.known, self._endpoints)
            frames = encoded[id(link.known)] = [encode(piece) for piece in slices]
        link.known = self._rules
        if link.known_flags is not self._flags:
            link.known_flags = self._flags
            link.send([encode(FlagsGiven(self._flags))])
        link.send(frames)

    # --- rollouts ----------------------------------------------------------------------

    def look_for(self, watches: tuple[Watch, ...]) -> None:
        """Tell all workers, successors too, of which rollouts they shall report."""
        self._watches = watches
        for link in self._links.values():
            if link.started:
                link.send([encode(LookFor(watches))])

    def keep(self, numbers: Mapping[str, int]) -> None:
        """The reports up to these numbers, by witness, are on the disk; before the first call nobody reports."""
        is_first, self._kept = self._kept is None, numbers
        for link in self._links.values():
            if link.started and is_first:
                self._welcome(link, numbers)
            elif link.witness in numbers:
                link.send([encode(Kept(numbers[link.witness]))])

    def close_tunnels(self, service: str, version: str) -> None:
        """End the tunnels of a version after their grace, in every worker."""
        for link in self._links.values():
            link.send([encode(CloseTunnels(service, version))])

    def _welcome(self, link: Link, numbers: Mapping[str, int]) -> None:
        link.send([encode(LookFor(self._watches)), encode(Kept(numbers.get(link.witness, 0)))])

    # --- questions ---------------------------------------------------------------------

    async def hold(self, service: str, max_seconds: float, for_seconds: float) -> HoldReceipt:
        """Let new requests of the service wait in every worker; see DataPlanes."""
        hold = Hold(service, max_seconds, for_seconds)
        self._holds[service] = (hold, asyncio.get_running_loop().time() + for_seconds)
        answers, late = await self._ask(hold)
        return HoldReceipt(
            in_flight=sum(answer.in_flight for answer in answers),
            held=sum(answer.held for answer in answers),
            replaced=late,
        )

    async def release(self, service: str) -> None:
        """Let the held requests of the service go in every worker."""
        self._holds.pop(service, None)
        await self._ask(Release(service))

    async def in_flight(self, service: str, version: str | None = None, target: str | None = None) -> int:
        """Requests now on their way, freshly asked; see DataPlanes."""
        addresses = [None] if target is None else [str(each) for each in self._endpoints.get(target, ())] or [target]
        questions = [self._ask(HowManyInFlight(service, version, address)) for address in addresses]
        return sum(answer.in_flight for answers, _ in await asyncio.gather(*questions) for answer in answers)

    async def set_health(self, service: str, version: str, address: str, *, healthy: bool) -> None:
        """Tell all workers, successors too, that a target is up or down."""
        word = SetHealth(service, version, address, healthy)
        self._health[service, version, address] = word
        frame = encode(word)
        for link in self._links.values():
            link.send([frame])

    def forget_health(self, kept: set[tuple[str, str, str]]) -> None:
        """Drop what is known of targets that no rule names any more."""
        self._health = {key: word for key, word in self._health.items() if key in kept}

    async def _ask(self, question: Question) -> tuple[list[Answer], tuple[int, ...]]:
        asked = {link: link.ask(question) for link in self._links.values() if link.started}
        answers, late = await self._gather(asked)
        return list(answers.values()), late

    # --- bounds ------------------------------------------------------------------------

    async def _gather(self, waited: Mapping[Link, asyncio.Future[T]]) -> tuple[dict[Link, T], tuple[int, ...]]:
        """What the workers said within the bound, and the slots of those that are replaced instead."""
        if not waited:
            return {}, ()
        await asyncio.wait(waited.values(), timeout=ACKNOWLEDGE_SECONDS)
        said = {link: word.result() for link, word in waited.items() if word.done() and not word.cancelled()}
        late = [link for link in waited if link not in said]
        for link in late:
            if not waited[link].done():
                _log.warning("worker %d (pid %d) did not answer within its bound", link.slot, link.pid)
                self._kill(link.slot, link.pid)
        await self._wait_gone(late)
        return said, tuple(sorted(link.slot for link in late))

    async def _wait_gone(self, ended: list[Link]) -> None:
        """A stopped worker could go on by an older table: the answer waits until it is gone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + END_SECONDS
        while any(self._links.get(link.slot) is link for link in ended) and (left := until - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)


def _sum(counts: Iterable[Mapping[tuple[str, str], int]]) -> dict[tuple[str, str], int]:
    total: Counter[tuple[str, str]] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
