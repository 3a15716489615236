"""What a worker counts, and that nothing of it is lost on the way."""

from __future__ import annotations

import gc
import pickle
import weakref
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import answered, fleet, refused, unanswered

from proxy.observe import stats
from proxy.observe.stats import BOUNDS, Gauges, Stats, Verdict
from proxy.observe.totals import Totals
from proxy.plan import Lane
from proxy.rules import Redirect

SHOP = ("shop", "", "v1", "v1")
SAME, LANE = fleet("v1"), Lane("shop", "")


def test_every_request_is_counted_once_by_what_was_drawn_and_who_answered() -> None:
    books = Stats()
    stable, candidate = fleet("stable"), fleet("candidate")
    books.record(answered(stable))
    books.record(answered(candidate, status=404))
    books.record(answered(candidate, stable, drawn_failure="no_target"))
    rows = books.delta().requests
    assert {series: [int(n) for n in row[: stats.STATUSES]] for series, row in rows.items()} == {
        ("shop", "", "stable", "stable"): [0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        ("shop", "", "candidate", "candidate"): [0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
        ("shop", "", "candidate", "stable"): [0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    }


def test_the_time_of_a_request_the_targets_and_our_own_stand_in_three_histograms() -> None:
    books = Stats()
    books.record(answered())
    row = books.delta().requests[SHOP]
    for start, seconds, bounds in (
        (stats.DURATION, 0.010, BOUNDS),
        (stats.UPSTREAM, 0.008, BOUNDS),
        (stats.PROXY, 0.002, stats.PROXY_BOUNDS),
    ):
        total, *buckets = row[start : start + len(bounds) + 2]
        assert abs(total - seconds) < 1e-9
        assert [bound for bound, count in zip(bounds, buckets, strict=False) if count] == [
            next(bound for bound in bounds if bound >= seconds - 1e-9)
        ]


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_histogram_counts_each_time_in_the_first_bucket_that_reaches_it(times: list[float]) -> None:
    total, *buckets = stats.histogram([*times], BOUNDS)
    expected = [0] * (len(BOUNDS) + 1)
    for seconds in times:
        expected[bisect_left(BOUNDS, seconds)] += 1
    assert buckets == expected
    assert abs(total - sum(times)) < 1e-6


def test_books_that_nobody_fetches_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "_MOST_SAMPLES", 40)
    books = Stats()
    for _ in range(1_000):
        books.record(answered(SAME, lane=LANE))
    assert sum(len(samples) for samples in books._samples.values()) <= 44
    assert books.delta().requests[SHOP][2] == 1_000


def test_an_answer_of_our_own_is_no_sample_of_any_target() -> None:
    books = Stats()
    books.record(unanswered("no_target"))
    delta = books.delta()
    row = delta.requests["shop", "", "v1", ""]
    assert row[5] == 1
    assert sum(row[stats.UPSTREAM : stats.PROXY]) == 0
    assert delta.targets == {}
    assert delta.counts == {("error", "shop", "v1", "no_target"): 1}


def test_a_tunnel_is_a_request_whose_length_is_no_latency() -> None:
    books = Stats()
    tunnel = answered(status=101)
    tunnel.duration = tunnel.upstream = 3600.0
    books.record(tunnel)
    row = books.delta().requests[SHOP]
    assert (row[1], row[stats.BYTES_OUT]) == (1, 1000)
    assert sum(row[stats.DURATION :]) == 0


def test_a_clock_that_rounds_never_makes_a_sum_shrink() -> None:
    books = Stats()
    odd = answered()
    odd.upstream = odd.duration + 1e-9
    books.record(odd)
    assert books.delta().requests[SHOP][stats.PROXY] == 0


def test_a_rescue_is_neither_a_retry_nor_a_failover() -> None:
    books = Stats()
    stable, candidate = fleet("stable"), fleet("candidate")
    books.record(answered(candidate, stable, rescuer=stable, tries=3, drawn_failure="500"))
    delta = books.delta()
    assert delta.requests["shop", "", "candidate", "stable"][2] == 1
    assert delta.counts == {
        ("failed_draw", "shop", "candidate", "500"): 1,
        ("rescue", "shop", "candidate"): 1,
        ("retry", "shop", "candidate"): 1,
    }


def test_a_stand_in_for_a_version_without_targets_is_a_failover_even_if_it_is_stable() -> None:
    books = Stats()
    stable, candidate = fleet("stable"), fleet("candidate")
    books.record(answered(candidate, stable, rescuer=stable, drawn_failure="no_target"))
    assert books.delta().counts == {
        ("failed_draw", "shop", "candidate", "no_target"): 1,
        ("failover", "shop", "candidate"): 1,
    }


def test_a_request_refused_before_any_plan_is_counted_by_its_cause() -> None:
    books = Stats()
    books.record(refused("no_service"))
    books.record(refused("bad_request", 400))
    books.record(refused("no_service"))
    delta = books.delta()
    assert delta.requests == {}
    assert delta.counts == {("refused", "no_service"): 2, ("refused", "bad_request"): 1}


def test_answers_are_counted_by_the_target_that_gave_them() -> None:
    books = Stats()
    first, second = fleet("v1", port=1), fleet("v1", port=2)
    for outcome in (answered(first), answered(second, status=503), answered(second, status=500)):
        books.record(outcome)
    targets = books.delta().targets
    assert targets["shop", "v1", "http://127.0.0.1:1"][2] == 1
    assert targets["shop", "v1", "http://127.0.0.1:2"][5] == 2


def test_each_shadow_verdict_and_each_rarer_event_has_a_count_of_its_own() -> None:
    books = Stats()
    verdicts: tuple[Verdict, ...] = ("answered", "answered", "dropped_bytes", "skipped_method", "failed_timeout")
    for verdict in verdicts:
        books.shadow("shop", "next", verdict)
    books.eject(fleet("v1").targets[0])
    books.accept()
    books.lose_log_lines(7)
    assert books.delta().counts == {
        ("shadow", "shop", "next", "answered"): 2,
        ("shadow", "shop", "next", "dropped_bytes"): 1,
        ("shadow", "shop", "next", "skipped_method"): 1,
        ("shadow", "shop", "next", "failed_timeout"): 1,
        ("ejection", "shop", "v1", "http://127.0.0.1:8080"): 1,
        ("connection",): 1,
        ("log_lost",): 7,
    }


def test_a_delta_carries_the_gauges_as_they_are_at_that_moment() -> None:
    busy, idle = fleet("v1").targets[0], fleet("v2").targets[0]
    connections = [3]
    books = Stats(Gauges(lambda: connections[0], lambda: {"shop": 2}, lambda: (busy, idle)))
    busy.in_flight = 4
    first = books.delta()
    busy.in_flight, connections[0] = 0, 1
    second = books.delta()
    assert (first.in_flight, first.connections) == ({("shop", "v1", "http://127.0.0.1:8080"): 4}, 3)
    assert (second.in_flight, second.connections, second.held) == ({}, 1, {"shop": 2})


def test_a_delta_is_plain_values_that_travel_as_they_are() -> None:
    books = Stats()
    books.record(answered())
    books.shadow("shop", "next", "answered")
    delta = books.delta()
    assert pickle.loads(pickle.dumps(delta)) == delta


def test_the_books_keep_nothing_of_a_former_table_alive() -> None:
    class Watched(Lane):
        __slots__ = ("__weakref__",)

    books = Stats()
    lane = Watched("shop", "")
    gone = weakref.ref(lane)
    books.record(answered(lane=lane))
    books.delta()
    del lane
    gc.collect()
    assert gone() is None


def test_the_same_names_of_two_tables_meet_in_one_row() -> None:
    books = Stats()
    books.record(answered(lane=Lane("shop", "")))
    books.record(answered(lane=Lane("shop", "")))
    assert books.delta().requests[SHOP][2] == 2


def test_a_lost_brain_loses_no_counts() -> None:
    books = Stats()
    for _ in range(3):
        books.record(answered())
        books.record(refused("no_service"))
        books.restore(books.delta())
        books.restore(books.delta())
    totals = Totals()
    totals.add(0, books.delta())
    totals.add(0, books.delta())
    seen = totals.snapshot()
    assert seen.requests[SHOP][2] == 3
    assert seen.counts == {("refused", "no_service"): 3}
    assert seen.targets["shop", "v1", "http://127.0.0.1:8080"][2] == 3


@given(st.lists(st.sampled_from(["record", "deliver", "lose"]), max_size=60))
def test_whatever_is_delivered_or_lost_in_between_the_sum_is_exact(steps: list[str]) -> None:
    books, totals, recorded = Stats(), Totals(), 0
    for step in steps:
        if step == "record":
            books.record(answered())
            recorded += 1
        elif step == "deliver":
            totals.add(0, books.delta())
        else:
            books.restore(books.delta())
    totals.add(0, books.delta())
    rows = totals.snapshot().requests
    assert sum(sum(row) for row in rows.values()) == recorded


def test_a_redirect_counts_for_no_version_as_nobody_is_drawn_for_it() -> None:
    books = Stats()
    books.record(unanswered("", status=302))
    moved = unanswered("", status=302)
    assert moved.plan is not None
    moved.plan.lane.redirect = Redirect(host="new.test")
    books.record(moved)
    assert {version for _, _, version, _ in books.delta().requests} == {"v1", ""}
