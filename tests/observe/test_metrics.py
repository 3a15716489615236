"""What Prometheus reads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from outcomes import answered, fleet, refused, rules, unanswered
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy.observe.metrics import Collector, Vitals, render
from proxy.observe.stats import Gauges, Stats
from proxy.observe.totals import Names, Totals
from proxy.plan import Lane
from proxy.rules import Rules
from proxy.strategies.shadow import Shadow

LABELS = set(
    [
        "service",
        "route",
        "version",
        "answered_by",
        "status_class",
        "target",
        "cause",
        "verdict",
        "result",
        "worker",
        "le",
    ]
)


def a_busy_proxy() -> Totals:
    stable, candidate = fleet("stable"), fleet("candidate", port=8081)
    target = stable.targets[0]
    target.in_flight = 3
    books = Stats(Gauges(lambda: 9, lambda: {"shop": 2}, lambda: (target,)))
    books.record(answered(stable))
    books.record(answered(stable, lane=Lane("shop", "api"), status=404))
    books.record(answered(candidate, stable, rescuer=stable, tries=2, drawn_failure="500"))
    books.record(answered(candidate, tries=2, drawn_failure="connect"))
    books.record(unanswered("timeout", status=504, drawn=candidate))
    books.record(refused("no_service"))
    books.shadow("shop", "candidate", "dropped_in_flight")
    books.eject(candidate.targets[0])
    books.accept()
    totals = Totals()
    totals.use(Names.of(rules("stable", "candidate")))
    totals.add(0, books.delta())
    return totals


def scrape(totals: Totals, vitals: Vitals | None = None, accept: str = "") -> str:
    return render(Collector(totals.snapshot(), vitals or Vitals()), accept)[0].decode()


def values(families: Iterable[Metric]) -> dict[str, float]:
    return {
        sample.name + "".join(f"|{name}={text}" for name, text in sorted(sample.labels.items()) if text): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_scrape_shows_what_happened_under_the_names_of_the_rules() -> None:
    vitals = Vitals(
        rules_valid=False,
        revision=7,
        reloads={"applied": 3, "rejected": 1},
        worker_revisions={0: 7, 1: 6},
        healthy={("shop", "stable", "http://127.0.0.1:8080"): True},
    )
    seen = values(parse_text(scrape(a_busy_proxy(), vitals)))
    expected = {
        "shunt_requests_total|answered_by=stable|service=shop|status_class=2xx|version=stable": 1,
        "shunt_requests_total|answered_by=stable|route=api|service=shop|status_class=4xx|version=stable": 1,
        "shunt_requests_total|answered_by=stable|service=shop|status_class=2xx|version=candidate": 1,
        "shunt_requests_total|service=shop|status_class=5xx|version=candidate": 1,
        "shunt_rescues_total|service=shop|version=candidate": 1,
        "shunt_retries_total|service=shop|version=candidate": 1,
        "shunt_failed_draws_total|cause=500|service=shop|version=candidate": 1,
        "shunt_errors_total|cause=timeout|service=shop|version=candidate": 1,
        "shunt_refused_requests_total|cause=no_service": 1,
        "shunt_shadow_requests_total|service=shop|verdict=dropped_in_flight|version=candidate": 1,
        "shunt_ejections_total|service=shop|target=http://127.0.0.1:8081|version=candidate": 1,
        "shunt_request_duration_seconds_count|service=shop|version=candidate": 3,
        "shunt_upstream_duration_seconds_count|service=shop|version=stable": 3,
        "shunt_proxy_duration_seconds_count|service=shop": 5,
        "shunt_in_flight_requests|service=shop|version=stable": 3,
        "shunt_in_flight_requests|service=shop|version=candidate": 0,
        "shunt_held_requests|service=shop": 2,
        "shunt_connections": 9,
        "shunt_connections_accepted_total": 1,
        "shunt_access_log_lost_lines_total": 0,
        "shunt_rules_valid": 0,
        "shunt_rules_revision": 7,
        "shunt_reloads_total|result=applied": 3,
        "shunt_reloads_total|result=unchanged": 0,
        "shunt_worker_revision|worker=1": 6,
        "shunt_target_healthy|service=shop|target=http://127.0.0.1:8080|version=stable": 1,
    }
    assert {name: seen.get(name) for name in expected} == expected


def test_a_histogram_s_buckets_only_grow_and_end_at_its_count() -> None:
    for family in parse_text(scrape(a_busy_proxy())):
        if family.type != "histogram":
            continue
        assert family.samples
        for sample in family.samples:
            if sample.name.endswith("_count"):
                labels = sample.labels.items()
                buckets = [s.value for s in family.samples if "le" in s.labels and labels <= s.labels.items()]
                assert buckets == sorted(buckets)
                assert buckets[-1] == sample.value


def test_names_and_units_follow_the_conventions_of_prometheus() -> None:
    for family in Collector(a_busy_proxy().snapshot(), Vitals()).collect():
        assert re.fullmatch(r"shunt_[a-z_]+", family.name)
        assert family.documentation
        assert not family.name.endswith("_total")
        assert family.type != "histogram" or family.name.endswith("_seconds")
        for sample in family.samples:
            assert set(sample.labels) <= LABELS


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=1.0.0", "text/plain;version=0.0.4", ""])
def test_a_scraper_gets_the_format_it_asks_for(accept: str) -> None:
    body, content_type = render(Collector(a_busy_proxy().snapshot(), Vitals()), accept)
    is_openmetrics = content_type.startswith("application/openmetrics-text")
    assert is_openmetrics == accept.startswith("application/openmetrics-text")
    parse = parse_openmetrics if is_openmetrics else parse_text
    assert {family.name for family in parse(body.decode())} >= {"shunt_requests", "shunt_rules_valid"}


def test_nothing_that_a_client_sent_becomes_a_label() -> None:
    books, totals = Stats(), Totals()
    odd = answered()
    odd.method, odd.path, odd.client, odd.request_id = b"EVIL", b"/evil", "evil", b"evil"
    lost = refused("no_service")
    lost.method, lost.path, lost.client = b"EVIL", b"/evil", "evil"
    books.record(odd)
    books.record(lost)
    totals.add(0, books.delta())
    assert "evil" not in scrape(totals).lower()


def test_an_idle_proxy_already_shows_every_family() -> None:
    families = {family.name: family.type for family in parse_text(scrape(Totals()))}
    assert len(families) > 20
    assert families["shunt_requests"] == "counter"
    assert families["shunt_request_duration_seconds"] == "histogram"


def test_what_has_not_happened_yet_stands_at_zero_so_that_its_first_time_is_a_rise() -> None:
    books, totals = Stats(), Totals()
    books.record(answered())
    totals.add(0, books.delta())
    named = rules("v1", "v2")
    shop = replace(named.services["shop"], shadow=(Shadow(version="v2"),))
    totals.use(Names.of(Rules(services={"shop": shop})))
    seen = values(parse_text(scrape(totals)))
    for name in (
        "shunt_requests_total|answered_by=v1|service=shop|status_class=5xx|version=v1",
        "shunt_ejections_total|service=shop|target=http://127.0.0.1:8080|version=v1",
        "shunt_errors_total|cause=no_target|service=shop|version=v2",
        "shunt_failed_draws_total|cause=500|service=shop|version=v2",
        "shunt_refused_requests_total|cause=no_service",
        "shunt_shadow_requests_total|service=shop|verdict=answered|version=v2",
        "shunt_reloads_total|result=rejected",
        "shunt_worker_restarts_total",
    ):
        assert seen[name] == 0
    assert "shunt_shadow_requests_total|service=shop|verdict=answered|version=v1" not in seen
