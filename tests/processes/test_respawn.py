"""Respawn: the first death costs nothing, only repeats wait."""

from __future__ import annotations

from proxy.processes.respawn import WINDOW_SECONDS, Deaths


def test_a_first_death_is_followed_at_once() -> None:
    assert Deaths().delay_after(0.0) == 0.0


def test_whoever_keeps_dying_waits_longer_and_longer_up_to_a_bound() -> None:
    deaths = Deaths()
    delays = [deaths.delay_after(now / 10) for now in range(12)]
    assert delays == sorted(delays)
    assert delays[1] > 0
    assert delays[-1] == delays[-2]


def test_old_deaths_are_forgiven() -> None:
    deaths = Deaths()
    deaths.delay_after(0.0)
    deaths.delay_after(1.0)
    assert deaths.delay_after(1.0 + WINDOW_SECONDS) == 0.0
