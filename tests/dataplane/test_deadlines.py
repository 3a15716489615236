"""Deadlines: everything that waits is called when its time is up, and only then."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from proxy.dataplane.deadlines import SWEEP_SECONDS, Deadlined, Deadlines


class Waiting(Deadlined):
    """Notes when it expires."""

    def __init__(self) -> None:
        super().__init__()
        self.expired: list[float] = []

    def expire(self, now: float) -> None:
        self.expired.append(now)


@given(st.lists(st.tuples(st.floats(0, 5), st.one_of(st.none(), st.floats(0, 10), st.just(inf))), max_size=30))
def test_who_waits_is_called_once_soon_after_its_last_deadline(moves: list[tuple[float, float | None]]) -> None:
    deadlines, item = Deadlines(0.0), Waiting()
    sweep = expected = 0
    deadline: float = inf
    for wait, seconds in [*moves, (20.0, None)]:
        end = sweep + round(wait / SWEEP_SECONDS)
        while sweep < end:
            sweep += 1
            now = sweep * SWEEP_SECONDS
            deadlines.sweep(now)
            if deadline <= now - 2 * SWEEP_SECONDS:
                assert len(item.expired) == expected + 1, "late by more than two sweeps"
            if len(item.expired) > expected:
                assert deadline <= now, "early"
                expected, deadline = expected + 1, inf
        if seconds is not None:
            deadline = sweep * SWEEP_SECONDS + seconds
            deadlines.arm(item, deadline)


def test_who_is_forgotten_is_called_no_more() -> None:
    deadlines, item = Deadlines(0.0), Waiting()
    deadlines.arm(item, 1.0)
    deadlines.forget(item)
    deadlines.sweep(2.0)
    assert item.expired == []


def test_a_clock_that_jumps_far_ahead_expires_everybody_once() -> None:
    deadlines, items = Deadlines(0.0), [Waiting() for _ in range(50)]
    for number, item in enumerate(items):
        deadlines.arm(item, number * 0.5)
    deadlines.sweep(1e6)
    deadlines.sweep(2e6)
    assert [len(item.expired) for item in items] == [1] * 50


def test_who_is_armed_again_while_it_expires_is_called_again() -> None:
    deadlines = Deadlines(0.0)

    class Again(Waiting):
        def expire(self, now: float) -> None:
            super().expire(now)
            if len(self.expired) < 3:
                deadlines.arm(self, now + 1.0)

    item = Again()
    deadlines.arm(item, 1.0)
    for tenth in range(100):
        deadlines.sweep(tenth / 10)
    assert len(item.expired) == 3
