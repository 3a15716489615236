"""The Lease: at every moment at most one replica leads, and one that is lost is replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.kubernetes.api import Api
from proxy.kubernetes.lease import Lease
from tests.kubernetes.cluster import NAMESPACE, Cluster, Key

LEASES = Key("coordination.k8s.io/v1", NAMESPACE, "leases")


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def candidate(api: Api, clock: Clock) -> Callable[[str], Lease]:
    """`candidate("a")` is a replica that takes part."""
    return lambda name: Lease(api, name, clock=clock)


Candidates = Callable[[str], Lease]


async def test_the_first_leads_and_the_second_waits(candidate: Candidates) -> None:
    a, b = candidate("a"), candidate("b")
    for each in (a, b, a, b):
        await each.step()
    assert (a.is_leader, b.is_leader, b.holder) == (True, False, "a")


async def test_a_leader_that_is_gone_is_replaced_after_the_lease_and_not_before(
    candidate: Candidates, clock: Clock
) -> None:
    a, b = candidate("a"), candidate("b")
    await a.step()
    await b.step()
    clock.now += 14.9
    await b.step()
    assert not b.is_leader
    clock.now += 0.2
    await b.step()
    assert b.is_leader
    assert not a.is_leader


async def test_a_leader_that_cannot_renew_stops_leading_before_anybody_else_begins(
    cluster: Cluster, candidate: Candidates, clock: Clock
) -> None:
    a = candidate("a")
    await a.step()
    await cluster.stop()
    clock.now += 9.9
    await a.step()
    assert a.is_leader
    clock.now += 0.2
    assert not a.is_leader


async def test_who_lost_the_lease_to_another_knows(candidate: Candidates, clock: Clock) -> None:
    a, b = candidate("a"), candidate("b")
    await a.step()
    await b.step()
    clock.now += 15.0
    await b.step()
    await a.step()
    assert (a.is_leader, a.holder) == (False, "b")


async def test_who_steps_down_is_replaced_at_once(candidate: Candidates) -> None:
    a, b = candidate("a"), candidate("b")
    await a.step()
    await a.resign()
    await b.step()
    assert (a.is_leader, b.is_leader) == (False, True)


async def test_the_record_says_who_since_when_and_how_often_it_changed_hands(
    cluster: Cluster, candidate: Candidates
) -> None:
    a, b = candidate("a"), candidate("b")
    await a.step()
    first = cluster.objects[LEASES]["shunt"]["spec"]["acquireTime"]
    await a.step()
    assert cluster.objects[LEASES]["shunt"]["spec"]["acquireTime"] == first
    await a.resign()
    await b.step()
    spec = cluster.objects[LEASES]["shunt"]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("b", 15, 2)
