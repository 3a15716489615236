"""What `top` draws from: counters by service and version, over all routes and answerers."""

from __future__ import annotations

from control.fake_planes import rules
from proxy.control.admin.traffic import traffic
from proxy.observe import stats
from proxy.observe.stats import Delta
from proxy.observe.totals import Names, Totals


def row(well: int, failed: int, seconds: float) -> list[float]:
    counted = [0.0] * stats.WIDTH
    counted[2], counted[5] = well, failed
    counted[stats.DURATION] = seconds
    counted[stats.DURATION + 1] = well
    counted[stats.DURATION + 1 + len(stats.BOUNDS)] = failed
    return counted


def test_traffic_is_summed_by_the_version_drawn() -> None:
    totals = Totals()
    totals.use(Names.of(rules()))
    requests = {
        ("shop", "", "blue", "blue"): row(90, 1, 9.0),
        ("shop", "api", "blue", "blue"): row(10, 0, 1.0),
        ("shop", "api", "green", "blue"): row(3, 2, 0.5),
        ("shop", "moved", "", ""): row(6, 0, 0.1),
    }
    in_flight = {("shop", "blue", "http://blue:80"): 2, ("shop", "blue", "http://blue:81"): 1}
    totals.add(0, Delta(requests, {}, {}, in_flight, 7, {"shop": 4}))
    found = traffic(5, totals.snapshot())
    assert (found.revision, found.connections, found.held) == (5, 7, {"shop": 4})
    by_name = {(one.service, one.version): one for one in found.versions}
    blue, green = by_name["shop", "blue"], by_name["shop", "green"]
    assert (blue.requests, blue.errors, blue.in_flight, blue.seconds_sum) == (101, 1, 3, 10.0)
    assert (blue.buckets[0], blue.buckets[-1], len(blue.buckets)) == (100, 1, len(stats.BOUNDS) + 1)
    assert (green.requests, green.errors, green.in_flight) == (5, 2, 0)
    assert ("shop", "") not in by_name
    assert by_name["blog", "v1"].requests == 0
