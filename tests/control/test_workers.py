"""Workers as one: acknowledged by all, or the one that did not is replaced and the receipt says so."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from proxy.control import workers as module
from proxy.control.dataplanes import CompileFailed
from proxy.control.workers import Workers
from proxy.processes.channel import (
    Acknowledged,
    Answer,
    Ask,
    Beat,
    Counted,
    Frames,
    Hello,
    Hold,
    Noted,
    Refused,
    Serve,
    SetHealth,
    TableEnds,
    decode,
    encode,
)
from proxy.rules import Rules, Service, Version


def rules(target: str = "http://127.0.0.1:80") -> Rules:
    service = Service(name="shop", hosts=("*",), versions={"v1": Version(targets=(target,))})
    return Rules(services={"shop": service})


class Peer:
    """A worker's side of the channel that does what the test says."""

    def __init__(self, slot: int, *, revision: int = 0, is_serving: bool = False) -> None:
        self.slot = slot
        self.hello = Hello(slot, 1000 + slot, 1.0, revision, is_serving)
        self.heard: list[object] = []
        self.is_mute = False
        self.refuses = False
        self.in_flight = {("shop", "v1"): 2}
        self.ours, self.theirs = socket.socketpair()

    async def run(self) -> None:
        reader, self.writer = await asyncio.open_connection(sock=self.ours)
        self.say(self.hello)
        frames = Frames()
        try:
            while received := await reader.read(1 << 16):
                for frame in frames.feed(received):
                    word = decode(frame)
                    self.heard.append(word)
                    if not self.is_mute:
                        self.answer(word)
        finally:
            self.writer.close()

    def answer(self, word: object) -> None:
        match word:
            case TableEnds(revision):
                self.say(Refused(revision, "no") if self.refuses else Acknowledged(revision, self.in_flight))
            case Ask(number, _):
                self.say(Answer(number, 3, 1))

    def say(self, word: object) -> None:
        self.writer.write(encode(word))


class Stage:
    """Workers under test, their peers, and what was asked of the supervisor."""

    def __init__(self) -> None:
        self.killed: list[tuple[int, int]] = []
        self.counted: list[tuple[int, object]] = []
        self.workers = Workers(self._kill, lambda slot, counters: self.counted.append((slot, counters)))
        self.peers: dict[int, Peer] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def _kill(self, slot: int, pid: int) -> None:
        self.killed.append((slot, pid))
        self.peers[slot].writer.transport.abort()

    async def join(self, peer: Peer) -> Peer:
        self.peers[peer.slot] = peer
        task = asyncio.create_task(peer.run())
        self.tasks.add(task)
        await self.workers.attach(peer.slot, 1000 + peer.slot, peer.theirs)
        return peer

    async def serving(self, count: int) -> None:
        async with asyncio.timeout(5):
            await self.workers.wait_serving(count)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(module, "ACKNOWLEDGE_SECONDS", 0.2)
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    made = Stage()
    yield made
    for peer in made.peers.values():
        peer.writer.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    async with asyncio.timeout(5):
        await made.workers.wait_none()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the other side is a socket
            await asyncio.sleep(0.005)


async def test_a_change_is_acknowledged_by_all_and_their_in_flight_is_one_sum(stage: Stage) -> None:
    await stage.workers.publish(1, rules())
    for slot in (1, 0):
        await stage.join(Peer(slot))
    await stage.serving(2)
    receipt = await stage.workers.publish(2, rules("http://127.0.0.1:81"))
    assert receipt.acknowledged == (0, 1)
    assert receipt.replaced == ()
    assert receipt.in_flight == {("shop", "v1"): 4}
    assert [worker.revision for worker in stage.workers.workers()] == [2, 2]


async def test_a_worker_serves_only_with_the_newest_table(stage: Stage) -> None:
    late = Peer(0)
    late.is_mute = True
    await stage.workers.publish(1, rules())
    await stage.join(late)
    await until(lambda: TableEnds(1) in late.heard)
    receipt = await stage.workers.publish(2, rules("http://127.0.0.1:81"))
    assert receipt.acknowledged == (), "a change does not wait for one that does not serve yet"
    await until(lambda: TableEnds(2) in late.heard)
    late.say(Acknowledged(1, {}))
    late.say(Acknowledged(2, {}))
    await stage.serving(1)
    await until(lambda: late.heard.count(Serve()) == 1)


async def test_a_worker_that_misses_the_bound_is_killed_and_the_receipt_says_so(stage: Stage) -> None:
    await stage.workers.publish(1, rules())
    for slot in (0, 1):
        await stage.join(Peer(slot))
    await stage.serving(2)
    stage.peers[1].is_mute = True
    receipt = await stage.workers.publish(2, rules("http://127.0.0.1:81"))
    assert (receipt.acknowledged, receipt.replaced) == ((0,), (1,))
    assert stage.killed == [(1, 1001)]
    assert [worker.slot for worker in stage.workers.workers()] == [0], "nobody can be left on the former table"


async def test_rules_that_a_worker_cannot_compile_are_an_error_and_it_gets_the_next_table_whole(stage: Stage) -> None:
    await stage.workers.publish(1, rules())
    peer = await stage.join(Peer(0))
    await stage.serving(1)
    peer.refuses = True
    with pytest.raises(CompileFailed, match="no"):
        await stage.workers.publish(2, rules("http://127.0.0.1:81"))
    peer.refuses = False
    assert (await stage.workers.publish(3, rules())).acknowledged == (0,)


async def test_a_silent_worker_is_found(stage: Stage) -> None:
    await stage.join(Peer(0))
    watching = asyncio.create_task(stage.workers.watch())
    await until(lambda: stage.killed == [(0, 1000)])
    watching.cancel()


async def test_a_worker_that_beats_is_left_alone(stage: Stage) -> None:
    peer = await stage.join(Peer(0))
    async with asyncio.timeout(5):
        await stage.workers.wait_greeted(1)
    watching = asyncio.create_task(stage.workers.watch())
    for _ in range(20):
        peer.say(Beat())
        await asyncio.sleep(0.01)
    assert stage.killed == []
    watching.cancel()


async def test_a_successor_knows_of_holds_and_health_before_its_first_table(stage: Stage) -> None:
    await stage.workers.publish(1, rules())
    await stage.workers.hold("shop", 1.0, 60.0)
    await stage.workers.set_health("shop", "v1", "http://127.0.0.1:80", healthy=False)
    peer = await stage.join(Peer(0))
    await stage.serving(1)
    words = [type(word.question) if isinstance(word, Ask) else type(word) for word in peer.heard]
    assert words.index(SetHealth) < words.index(TableEnds)
    assert words.index(Hold) < words.index(TableEnds)


async def test_questions_are_answered_by_all(stage: Stage) -> None:
    await stage.workers.publish(1, rules())
    for slot in (0, 1):
        await stage.join(Peer(slot))
    await stage.serving(2)
    assert await stage.workers.in_flight("shop", "v1") == 6
    held = await stage.workers.hold("shop", 1.0, 60.0)
    assert (held.in_flight, held.held) == (6, 2)


async def test_a_brain_that_came_back_finds_its_workers_serving(stage: Stage) -> None:
    await stage.join(Peer(0, revision=7, is_serving=True))
    await stage.serving(1)
    assert stage.workers.newest_seen == 7


async def test_counters_are_noted_so_that_they_come_once(stage: Stage) -> None:
    peer = await stage.join(Peer(0))
    async with asyncio.timeout(5):
        await stage.workers.wait_greeted(1)
    peer.say(Counted(5, {"requests": 1}))
    await until(lambda: Noted(5) in peer.heard)
    assert stage.counted == [(0, {"requests": 1})]
