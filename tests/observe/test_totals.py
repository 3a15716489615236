"""What the brain adds up, and for how long it remembers."""

from __future__ import annotations

from outcomes import answered, fleet, rules

from proxy.observe.stats import Delta, Gauges, Stats
from proxy.observe.totals import LINGER_SECONDS, MOST_TARGETS, Names, Totals
from proxy.plan import Lane

TARGET = ("shop", "v1", "http://127.0.0.1:8080")


def one_request(version: str = "v1", *, route: str = "") -> Delta:
    books = Stats()
    books.record(answered(fleet(version), lane=Lane("shop", route)))
    return books.delta()


def test_workers_add_up_and_the_dead_stay_counted() -> None:
    totals = Totals()
    totals.add(0, one_request())
    totals.add(1, one_request())
    totals.leave(1)
    assert totals.snapshot().requests["shop", "", "v1", "v1"][2] == 2


def test_what_stands_now_is_only_of_workers_that_live() -> None:
    totals = Totals()
    target = fleet("v1").targets[0]
    target.in_flight = 2
    for slot in (0, 1):
        totals.add(slot, Stats(Gauges(lambda: 5, lambda: {"shop": 1}, lambda: (target,))).delta())
    both = totals.snapshot()
    assert (both.in_flight, both.connections, both.held) == ({TARGET: 4}, 10, {"shop": 2})
    totals.leave(0)
    one = totals.snapshot()
    assert (one.in_flight, one.connections, one.held) == ({TARGET: 2}, 5, {"shop": 1})


def test_a_successor_in_the_same_slot_replaces_what_its_predecessor_showed() -> None:
    totals = Totals()
    totals.add(0, Stats(Gauges(lambda: 5)).delta())
    totals.add(0, Stats(Gauges(lambda: 1)).delta())
    assert totals.snapshot().connections == 1


def test_series_that_the_rules_name_stay_however_still_they_are() -> None:
    totals = Totals()
    totals.use(Names.of(rules("v1")))
    totals.add(0, one_request())
    totals.sweep(0.0)
    totals.sweep(10 * LINGER_SECONDS)
    seen = totals.snapshot()
    assert ("shop", "", "v1", "v1") in seen.requests
    assert TARGET in seen.targets


def test_series_of_what_vanished_from_the_rules_go_after_they_were_still_for_a_while() -> None:
    totals = Totals()
    totals.use(Names.of(rules("v1", "v2", routes=("api",))))
    for delta in (one_request("v1"), one_request("v2"), one_request("v1", route="api")):
        totals.add(0, delta)
    totals.sweep(0.0)
    totals.use(Names.of(rules("v1")))
    totals.sweep(LINGER_SECONDS - 1)
    assert len(totals.snapshot().requests) == 3
    totals.sweep(LINGER_SECONDS)
    seen = totals.snapshot()
    assert list(seen.requests) == [("shop", "", "v1", "v1")]
    assert list(seen.routes) == [("shop", "", "v1")]
    assert list(seen.upstream) == [("shop", "v1")]
    assert list(seen.targets) == [TARGET]


def test_dropping_a_series_takes_nothing_from_the_sums_that_stay() -> None:
    totals = Totals()
    totals.use(Names.of(rules("v1", "v2")))
    totals.add(0, one_request("v1"))
    totals.add(0, one_request("v2"))
    before = totals.snapshot().services["shop"]
    totals.use(Names.of(rules("v1")))
    totals.sweep(0.0)
    totals.sweep(LINGER_SECONDS)
    assert totals.snapshot().services["shop"] == before


def test_addresses_that_come_and_go_in_dns_are_bounded() -> None:
    totals = Totals()
    totals.use(Names.of(rules("v1")))
    answers = {("shop", "v1", f"http://10.0.{n >> 8}.{n & 255}:80"): [1.0] for n in range(MOST_TARGETS + 5)}
    totals.add(0, Delta({}, answers, {}, {}, 0, {}))
    totals.sweep(0.0)
    assert len(totals.snapshot().targets) == MOST_TARGETS
    totals.sweep(LINGER_SECONDS)
    assert totals.snapshot().targets == {}


def test_a_snapshot_does_not_move_when_the_totals_do() -> None:
    totals = Totals()
    totals.add(0, one_request())
    seen = totals.snapshot()
    totals.add(0, one_request())
    assert seen.requests["shop", "", "v1", "v1"][2] == 1
