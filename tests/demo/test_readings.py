"""What the demo shows is what the proxy's own metrics say."""

from __future__ import annotations

from proxy.demo.readings import Counters, Name, moved, quantile, read

V1, V2 = Name("shop", "v1"), Name("shop", "v2")
METRICS = """\
# TYPE shunt_requests_total counter
shunt_requests_total{answered_by="v1",route="",service="shop",status_class="2xx",version="v1"} 70
shunt_requests_total{answered_by="v1",route="api",service="shop",status_class="2xx",version="v1"} 10
shunt_requests_total{answered_by="v1",route="",service="shop",status_class="2xx",version="v2"} 15
shunt_requests_total{answered_by="v2",route="",service="shop",status_class="5xx",version="v2"} 5
# TYPE shunt_rescues_total counter
shunt_rescues_total{service="shop",version="v2"} 15
# TYPE shunt_shadow_requests_total counter
shunt_shadow_requests_total{service="shop",verdict="answered",version="next"} 40
shunt_shadow_requests_total{service="shop",verdict="skipped_sampled",version="next"} 60
# TYPE shunt_request_duration_seconds histogram
shunt_request_duration_seconds_bucket{le="0.01",route="",service="shop",version="v1"} 50
shunt_request_duration_seconds_bucket{le="0.1",route="",service="shop",version="v1"} 80
shunt_request_duration_seconds_bucket{le="+Inf",route="",service="shop",version="v1"} 80
"""


def test_shares_errors_rescues_and_copies_are_of_the_interval_only() -> None:
    before = {V1: Counters(requests=40), V2: Counters(requests=10, errors=5, rescues=5)}
    seen = moved(before, read(METRICS), 2.0)
    assert (seen[V1].share, seen[V2].share) == (0.8, 0.2)
    assert seen[V1].per_second == 20.0
    assert (seen[V2].errors, seen[V2].rescued) == (0, 10)
    assert seen[Name("shop", "next")].copies == 40


def test_a_version_without_requests_has_no_latency_and_no_share() -> None:
    seen = moved({}, {V1: Counters()}, 1.0)[V1]
    assert (seen.share, seen.median_seconds, seen.p99_seconds) == (0.0, None, None)


def test_quantiles_are_interpolated_as_prometheus_does() -> None:
    buckets = {0.01: 50.0, 0.1: 100.0, float("inf"): 100.0}
    assert quantile(buckets, 0.5) == 0.01
    assert abs((quantile(buckets, 0.75) or 0) - 0.055) < 1e-9
    assert quantile({0.01: 0.0, float("inf"): 10.0}, 0.99) == 0.01
    assert quantile({0.01: 0.0, float("inf"): 0.0}, 0.5) is None
