"""Leaving, holding and upgrading: whatever the operator does, everybody is answered."""

from __future__ import annotations

from live import scenarios
from live.conftest import StartShunt


async def test_upgrades_one_after_the_other_fail_and_refuse_nobody(start_shunt: StartShunt) -> None:
    seen = await scenarios.upgrades(start_shunt, times=4, per_second=200)
    assert seen.failed == {}
    assert seen.counts["upgraded"] == 4


async def test_sigterm_lets_200_requests_in_flight_finish(start_shunt: StartShunt) -> None:
    seen = await scenarios.leave_with_requests_in_flight(start_shunt, requests=200, seconds=2.0)
    assert seen.failed == {}
    assert seen.answered == 200
    assert seen.counts["exit code"] == 0


async def test_a_hold_delays_and_loses_nothing(start_shunt: StartShunt) -> None:
    seen = await scenarios.hold(start_shunt, per_second=200, seconds=3.0)
    assert seen.failed == {}
    assert seen.slowest_seconds <= 10.5


async def test_a_forgotten_hold_ends_by_itself(start_shunt: StartShunt) -> None:
    seen = await scenarios.hold(start_shunt, per_second=200, seconds=2.0, forgotten=True)
    assert seen.failed == {}
    assert seen.counts["answered after it"] > 0
