"""Faults of clients: slow, idle or many, they harm nobody but themselves."""

from __future__ import annotations

from live import scenarios
from live.conftest import StartShunt


async def test_clients_that_drip_are_cut_at_the_head_timeout_and_harm_nobody(start_shunt: StartShunt) -> None:
    seen = await scenarios.dripping_clients(start_shunt, drips=300, per_second=100)
    assert seen.counts["cut with 408"] == 300
    assert seen.failed == {}


async def test_idle_connections_are_small_and_harm_nobody(start_shunt: StartShunt) -> None:
    seen = await scenarios.idle_connections(start_shunt, idle=1000, per_second=100)
    assert seen.counts["still open"] == 1000
    assert seen.counts["bytes each"] <= 15 << 10
    assert seen.failed == {}
