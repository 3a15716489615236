"""Lifelines: words and descriptors arrive together, and an end is heard."""

from __future__ import annotations

import os

import pytest

from proxy.processes.lifeline import Lifeline, Message


def test_words_arrive_one_by_one_and_in_order() -> None:
    one, other = Lifeline.pair()
    assert one.tell("worker", 3, 4711)
    assert one.tell("drain")
    assert list(other.hear()) == [Message("worker", ("3", "4711")), Message("drain")]
    one.close()
    other.close()


def test_a_descriptor_stays_with_its_message() -> None:
    one, other = Lifeline.pair()
    held = os.memfd_create("held")
    os.write(held, b"precious")
    one.tell("empty")
    one.tell("memory", descriptors=[held])
    os.close(held)
    empty, full = other.hear()
    assert empty.descriptors == ()
    assert os.pread(full.descriptors[0], 100, 0) == b"precious"
    os.close(full.descriptors[0])
    one.close()
    other.close()


def test_the_end_of_the_other_side_is_heard_after_its_last_words() -> None:
    one, other = Lifeline.pair()
    one.tell("last")
    one.close()
    heard = other.hear()
    assert next(heard).word == "last"
    with pytest.raises(EOFError):
        next(heard)
    assert not other.tell("anybody?")
    other.close()


def test_whoever_does_not_read_is_not_waited_for() -> None:
    one, other = Lifeline.pair()
    told = 0
    while told < 100_000 and one.tell("word"):
        told += 1
    assert 0 < told < 100_000
    one.close()
    other.close()
