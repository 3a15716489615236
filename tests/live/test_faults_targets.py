"""Faults of targets: restarts, crashes, silence and failures cost nobody what could have been saved."""

from __future__ import annotations

from live import scenarios
from live.conftest import StartShunt

_SECONDS = 4.0
_PER_SECOND = 200.0


async def test_a_rolling_restart_of_all_targets_loses_nothing(start_shunt: StartShunt) -> None:
    seen = await scenarios.rolling_restart(start_shunt, per_second=_PER_SECOND)
    assert seen.failed == {}
    assert seen.counts["restarted"] == 3


async def test_a_killed_target_costs_no_get(start_shunt: StartShunt) -> None:
    seen = await scenarios.kill_one_target(start_shunt, "GET", per_second=_PER_SECOND, seconds=_SECONDS)
    assert seen.failed == {}


async def test_a_killed_target_costs_only_the_posts_that_were_on_it(start_shunt: StartShunt) -> None:
    seen = await scenarios.kill_one_target(start_shunt, "POST", per_second=_PER_SECOND, seconds=_SECONDS)
    assert seen.counts["failed without having been in flight"] == 0
    assert set(seen.failed) <= {"502 reset"}


async def test_a_silent_target_costs_only_what_waited_for_it_and_rests_then(start_shunt: StartShunt) -> None:
    seen = await scenarios.silent_target(start_shunt, per_second=_PER_SECOND, seconds=_SECONDS)
    assert set(seen.failed) <= {"504 timeout"}
    assert seen.counts["ejections"] >= 1
    assert seen.counts["failed"] <= seen.counts["sent to the silent one"]
    assert seen.counts["failed after ejection"] == 0
    assert seen.counts["grown bytes"] < 8 << 20


async def test_a_candidate_without_targets_costs_nobody_and_is_blamed(start_shunt: StartShunt) -> None:
    seen = await scenarios.dead_candidate(start_shunt, per_second=_PER_SECOND, seconds=_SECONDS)
    assert seen.failed == {}
    assert 0.04 * seen.asked < seen.counts["counted against the candidate"] < 0.2 * seen.asked


async def test_targets_that_fail_for_a_while_never_get_a_storm(start_shunt: StartShunt) -> None:
    seen = await scenarios.busy_targets(start_shunt, per_second=_PER_SECOND, seconds=2.0)
    assert seen.counts["at the targets"] <= 1.2 * seen.asked + seen.counts["floor"]


async def test_a_name_that_moves_takes_new_requests_along_and_leaves_the_others_in_peace(
    start_shunt: StartShunt,
) -> None:
    seen = await scenarios.moved_name(start_shunt, per_second=_PER_SECOND)
    assert seen.failed == {}
    assert seen.counts["in flight on the old target, answered"] == 20
    assert seen.counts["at the old target after ttl + 1 s"] == 0


async def test_chaos_at_the_targets_breaks_nothing_and_leaves_nothing(start_shunt: StartShunt) -> None:
    seen = await scenarios.chaos(start_shunt, per_second=_PER_SECOND, seconds=15.0)
    unclear = {what for what in seen.failed if not what.startswith(("502", "503", "504", "ConnectionError"))}
    assert unclear == set()
    assert seen.counts["cut answers"] == seen.failed.get("ConnectionError", 0)
    assert seen.counts["restarted workers"] == 0
    assert seen.counts["in flight at the end"] == 0
    assert seen.counts["connections at the end"] == 0
    assert seen.counts["grown descriptors"] <= 8
    assert seen.counts["grown bytes"] < 16 << 20
