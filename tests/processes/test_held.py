"""Held memory: a writer killed at any moment leaves a whole value."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from proxy.processes.held import HeldMemory, ReleaseMemory, make_memory


@pytest.fixture
def descriptor() -> Iterator[int]:
    number = make_memory("test")
    yield number
    os.close(number)


def test_nothing_was_written_yet(descriptor: int) -> None:
    assert HeldMemory(descriptor).read() == b""


def test_a_successor_reads_what_was_written_last(descriptor: int) -> None:
    memory = HeldMemory(descriptor)
    for content in (b"one", b"two" * 1000, b"three"):
        memory.write(content)
        assert HeldMemory(descriptor).read() == content


def test_a_writer_that_dies_midway_leaves_the_former_value(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    HeldMemory(descriptor).write(b"first")
    HeldMemory(descriptor).write(b"former")
    really_write = os.pwrite
    for lasting in range(3):
        left = iter(range(lasting))

        def dies(number: int, content: bytes, offset: int, left: Iterator[int] = left) -> int:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return really_write(number, content[:3] if len(content) > 3 else content, offset)

        monkeypatch.setattr(os, "pwrite", dies)
        with pytest.raises(KeyboardInterrupt):
            HeldMemory(descriptor).write(b"latter")
        assert HeldMemory(descriptor).read() == b"former"


def test_what_another_release_wrote_counts_as_nothing(descriptor: int) -> None:
    HeldMemory(descriptor).write(b"0.0.1\nits own form")
    memory = ReleaseMemory(descriptor)
    assert memory.read() == b""
    memory.write(b"ours\nwith lines")
    assert ReleaseMemory(descriptor).read() == b"ours\nwith lines"
