"""Top draws rates from two looks at counters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from proxy.cli.client import Json
from proxy.cli.top import quantile, rates

BOUNDS = [0.001, 0.01, 0.1]


def look(*versions: tuple[str, int, int, list[int]]) -> dict[str, Json]:
    shown: list[Json] = [
        {"service": "shop", "version": name, "requests": n, "errors": errors, "in_flight": 1, "buckets": [*buckets]}
        for name, n, errors, buckets in versions
    ]
    return {"bounds_seconds": [*BOUNDS], "versions": shown}


def test_rates_shares_and_errors_come_from_the_differences() -> None:
    before = look(("blue", 100, 0, [100, 0, 0, 0]), ("green", 0, 0, [0, 0, 0, 0]))
    now = look(("blue", 190, 0, [190, 0, 0, 0]), ("green", 10, 1, [0, 10, 0, 0]))
    blue, green = rates(before, now, 2.0)
    assert (blue.per_second, blue.share_percent, blue.errors_percent, blue.in_flight) == (45.0, 90.0, 0.0, 1)
    assert (green.per_second, green.share_percent, green.errors_percent) == (5.0, 10.0, 10.0)
    assert blue.p50_ms == pytest.approx(0.5)
    assert green.p50_ms == pytest.approx(5.5)


def test_counters_that_began_again_are_not_negative() -> None:
    (rate,) = rates(look(("blue", 100, 5, [100, 0, 0, 0])), look(("blue", 10, 0, [10, 0, 0, 0])), 1.0)
    assert (rate.per_second, rate.errors_percent) == (10.0, 0.0)


def test_a_version_without_requests_has_no_latency() -> None:
    assert quantile(0.99, [0, 0, 0, 0], BOUNDS) == 0.0
    assert quantile(0.99, [0, 0, 0, 5], BOUNDS) == 0.1


def test_top_draws_as_often_as_asked(call: Callable[..., Result]) -> None:
    assert "req/s" in call("top", "--interval", "10ms", "--count", "2").output
    assert call("top", "--interval", "10ms", "--count", "2", "-o", "json").output.count("[") == 2
