"""Readings: the proxy's own metrics, and what moved between two looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Name(NamedTuple):
    """One version of one service."""

    service: str
    version: str


@dataclass(slots=True)
class Counters:
    """What one version has counted since the proxy began."""

    requests: float = 0.0
    """By the version drawn."""
    errors: float = 0.0
    """Answers of 5xx that clients got."""
    failed_draws: float = 0.0
    rescues: float = 0.0
    copies: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)
    """Requests up to so many seconds, cumulated."""


class Figures(NamedTuple):
    """One version during one interval."""

    share: float
    per_second: float
    median_seconds: float | None
    p99_seconds: float | None
    errors: float
    rescued: float
    copies: float


Reading = Mapping[Name, Counters]


def read(text: str) -> dict[Name, Counters]:
    """A reading from the text of `/metrics`."""
    reading: dict[Name, Counters] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if "service" not in labels or "version" not in labels:
                continue
            counters = reading.setdefault(Name(labels["service"], labels["version"]), Counters())
            match sample.name:
                case "shunt_requests_total":
                    counters.requests += sample.value
                    counters.errors += sample.value if labels["status_class"] == "5xx" else 0
                case "shunt_failed_draws_total":
                    counters.failed_draws += sample.value
                case "shunt_rescues_total":
                    counters.rescues += sample.value
                case "shunt_shadow_requests_total" if labels["verdict"] == "answered":
                    counters.copies += sample.value
                case "shunt_request_duration_seconds_bucket":
                    bound = float(labels["le"])
                    counters.buckets[bound] = counters.buckets.get(bound, 0.0) + sample.value
    return reading


def moved(before: Reading, after: Reading, seconds: float) -> dict[Name, Figures]:
    """What happened between two readings, by version; each share is of its service's requests."""
    nothing = Counters()
    requests = {name: now.requests - before.get(name, nothing).requests for name, now in after.items()}
    by_service: dict[str, float] = {}
    for name, count in requests.items():
        by_service[name.service] = by_service.get(name.service, 0.0) + count
    figures = {}
    for name, now in after.items():
        then = before.get(name, nothing)
        buckets = {bound: count - then.buckets.get(bound, 0.0) for bound, count in now.buckets.items()}
        figures[name] = Figures(
            requests[name] / by_service[name.service] if by_service[name.service] else 0.0,
            requests[name] / seconds,
            quantile(buckets, 0.5),
            quantile(buckets, 0.99),
            now.errors - then.errors,
            now.rescues - then.rescues,
            now.copies - then.copies,
        )
    return figures


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The time that so large a share stayed below, interpolated as Prometheus does; None when nothing moved."""
    bounds: Sequence[float] = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    rank = share * buckets[bounds[-1]]
    lower = below = 0.0
    for bound in bounds:
        if buckets[bound] >= rank and buckets[bound] > below:
            part = 0.0 if bound == float("inf") else (rank - below) / (buckets[bound] - below)
            return lower + (bound - lower) * part if part else lower
        lower, below = bound, buckets[bound]
    return lower
