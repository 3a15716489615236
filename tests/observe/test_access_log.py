"""A log that never makes a request wait, whoever reads it or does not."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from outcomes import answered, unanswered

from proxy.observe import access_log
from proxy.observe.access_log import AccessLog, Writer, chunked
from proxy.observe.log_lines import MOST_BYTES
from proxy.settings import Log

BOUND = 10.0


class Later:
    """A loop's `call_later` that is turned by hand."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append(call)

    def turn(self) -> None:
        """Call what is due, and not what becomes due by that."""
        due, self.due = self.due, []
        for call in due:
            call()


class Pipe:
    """A pipe whose reader reads only when asked."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}

    def close(self, *descriptors: int) -> None:
        """Close these ends, unless they are closed already."""
        for descriptor in self._open.intersection(descriptors):
            self._open.discard(descriptor)
            os.close(descriptor)

    def read_all(self) -> bytes:
        """Everything up to the end, once the writing side is closed."""
        self.close(self.writing)
        chunks = []
        while chunk := os.read(self.reading, 65536):
            chunks.append(chunk)
        return b"".join(chunks)


class Reader:
    """Reads a pipe in a thread until its writers are gone."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def lines(self) -> list[bytes]:
        """All lines, once nobody writes any more."""
        self._pipe.close(self._pipe.writing)
        self._thread.join(BOUND)
        assert not self._thread.is_alive()
        return b"".join(self._chunks).splitlines()

    def _run(self) -> None:
        while chunk := os.read(self._pipe.reading, 65536):
            self._chunks.append(chunk)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close(pipe.reading, pipe.writing)


def a_log(pipe: Pipe, lost: list[int], later: Later | None = None, log: Log | None = None) -> AccessLog:
    writer = Writer(pipe.writing)
    writer.start()
    return AccessLog(log or Log(access="json"), writer, later or Later(), random.Random(7), lost.append)


def test_every_request_has_its_line_in_order(pipe: Pipe) -> None:
    lost: list[int] = []
    log = a_log(pipe, lost)
    for number in range(300):
        outcome = answered()
        outcome.request_id = b"%d" % number
        log.record(outcome)
    reader = Reader(pipe)
    log.close(BOUND)
    lines = reader.lines()
    assert [json.loads(line)["request_id"] for line in lines] == [str(number) for number in range(300)]
    assert lost == []


def test_nothing_is_scheduled_while_nothing_happens_and_one_batch_at_a_time_while_much_does(pipe: Pipe) -> None:
    later = Later()
    log = a_log(pipe, [], later)
    assert later.due == []
    for _ in range(access_log.BATCH_LINES + 1):
        log.record(answered())
    assert len(later.due) == 1
    later.turn()
    assert len(later.due) == 1
    later.turn()
    assert later.due == []
    log.close(BOUND)
    assert len(pipe.read_all().splitlines()) == access_log.BATCH_LINES + 1


def test_a_reader_that_never_reads_stops_no_request_and_every_lost_line_is_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "MOST_QUEUED_BYTES", 100_000)
    lost: list[int] = []
    later = Later()
    log = a_log(pipe, lost, later)
    for _ in range(2_000):
        log.record(answered())
        later.turn()
    assert sum(lost) > 0
    reader = Reader(pipe)
    log.close(BOUND)
    assert len(reader.lines()) + sum(lost) == 2_000


def test_more_outcomes_than_can_wait_are_counted_and_dropped(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MOST_PENDING", 10)
    lost: list[int] = []
    log = a_log(pipe, lost)
    for _ in range(15):
        log.record(answered())
    log.close(BOUND)
    assert sum(lost) == 5
    assert len(pipe.read_all().splitlines()) == 10


def test_a_reader_that_is_gone_costs_lines_and_nothing_else(pipe: Pipe) -> None:
    lost: list[int] = []
    log = a_log(pipe, lost)
    pipe.close(pipe.reading)
    for _ in range(20):
        log.record(answered())
    log.close(BOUND)
    assert sum(lost) == 20


def test_closing_does_not_wait_for_a_reader_beyond_its_bound(pipe: Pipe) -> None:
    lost: list[int] = []
    log = a_log(pipe, lost)
    for _ in range(1_000):
        log.record(answered())
    log.close(0.01)
    assert sum(lost) > 0
    os.read(pipe.reading, 1 << 20)


def test_only_errors_are_logged_when_only_errors_are_asked_for(pipe: Pipe) -> None:
    log = a_log(pipe, [], log=Log(access="json", errors_only=True))
    fine, missing = answered(), answered(status=404)
    for outcome in (fine, missing, answered(status=500), unanswered("no_target"), answered(drawn_failure="500")):
        log.record(outcome)
    log.close(BOUND)
    assert [json.loads(line)["status"] for line in pipe.read_all().splitlines()] == [500, 503, 200]


def test_a_sample_logs_about_its_share(pipe: Pipe) -> None:
    log = a_log(pipe, [], log=Log(access="common", sample=10.0))
    for _ in range(1_000):
        log.record(answered())
    reader = Reader(pipe)
    log.close(BOUND)
    assert 60 < len(reader.lines()) < 140


def test_lines_of_several_workers_never_run_into_each_other(pipe: Pipe) -> None:
    reader = Reader(pipe)
    logs = [a_log(pipe, []) for _ in range(4)]
    for _ in range(300):
        for log in logs:
            log.record(answered())
    closing = [threading.Thread(target=log.close, args=(BOUND,)) for log in logs]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()
    lines = reader.lines()
    assert len(lines) == 1_200
    assert all(json.loads(line)["status"] == 200 for line in lines)


def test_no_write_is_longer_than_a_pipe_takes_whole() -> None:
    lines = [b"x" * length + b"\n" for length in (10, 4085, 1, 4000, 95, 6000, 5)]
    pieces = chunked(lines)
    assert b"".join(text for text, _ in pieces) == b"".join(lines)
    assert sum(count for _, count in pieces) == len(lines)
    assert all(len(text) <= MOST_BYTES or count == 1 for text, count in pieces)
    assert chunked([]) == []
