"""Metrics: the totals as Prometheus reads them; nothing that a client can choose becomes a label.

Labels are names of the rules, words of the code, addresses of targets and slots of workers. Which labels a
metric has keeps the number of series small: a histogram belongs to one version of one route, the time that
targets take to the version that answered, the proxy's own time to the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from proxy import __version__
from proxy.observe import stats
from proxy.observe.stats import Row, TargetName
from proxy.observe.totals import Snapshot

Labels = tuple[str, ...]

STATUS_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx", "other", "other", "other", "other")
"""By `status // 100`; `none`: the client left before it got a status."""

_COUNTS = {
    "retry": ("shunt_retries", "Tries after the first, rescues left out", "service version"),
    "rescue": ("shunt_rescues", "Requests that stable answered after the drawn candidate failed", "service version"),
    "failover": (
        "shunt_failovers",
        "Requests that a stand-in answered for a version without targets",
        "service version",
    ),
    "failed_draw": ("shunt_failed_draws", "First tries that failed at the version drawn", "service version cause"),
    "error": ("shunt_errors", "Requests that Shunt answered itself or that broke off", "service version cause"),
    "refused": ("shunt_refused_requests", "Requests refused before any service was asked", "cause"),
    "shadow": ("shunt_shadow_requests", "Eligible requests by what became of their copy", "service version verdict"),
    "ejection": ("shunt_ejections", "Targets sent to rest for their failures", "service version target"),
    "connection": ("shunt_connections_accepted", "Connections accepted from clients", ""),
    "log_lost": ("shunt_access_log_lost_lines", "Lines of the access log dropped because its reader was slow", ""),
}


_CAUSES = {
    "error": ("no_target", "overloaded", "held", "connect", "reset", "timeout", "bad_answer", "aborted", "cut"),
    "failed_draw": ("no_target", "connect", "reset", "timeout", "bad_answer", "500", "502", "503", "504"),
}
"""Why requests of a version usually fail; rarer causes have a series once they happen."""
_REFUSALS = ("bad_request", "no_service", "no_route", "head_too_large", "uri_too_long", "request_timeout", "loop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the brain knows of itself and of the workers at the moment of a scrape."""

    rules_valid: bool = True
    """False while the newest rules file is broken and the last good rules are in force."""
    flags_valid: bool = True
    """False while the newest flag files are broken and the last good flags are in force."""
    flags: int = 0
    flag_reloads: Mapping[str, int] = field(default_factory=dict)
    """Reloads of flags by result: `applied`, `unchanged`, `rejected`."""
    revision: int = 0
    reloads: Mapping[str, int] = field(default_factory=dict)
    """Reloads by result: `applied`, `unchanged`, `rejected`."""
    worker_revisions: Mapping[int, int] = field(default_factory=dict)
    """The revision in force, by worker slot."""
    worker_restarts: int = 0
    healthy: Mapping[TargetName, bool] = field(default_factory=dict)
    """The last result of active checks, by target; only those that are checked."""
    overrides: int = 0
    started: float = 0.0
    """When this process began, in seconds since the epoch."""


class Collector:
    """One scrape: made where the totals live, read wherever there is time; a collector of prometheus_client."""

    def __init__(self, totals: Snapshot, vitals: Vitals) -> None:
        self._totals = totals
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        """All metrics, families without series included, so that dashboards find their names from the start."""
        yield from self._requests()
        yield from self._durations()
        yield from self._events()
        yield from self._standing()
        yield from self._control()

    def _requests(self) -> Iterator[Metric]:
        yield _counter(
            "shunt_requests",
            "Requests, by the version drawn and the version that answered",
            ("service", "route", "version", "answered_by", "status_class"),
            _by_class(self._totals.requests.items()).items(),
        )
        yield _counter(
            "shunt_target_requests",
            "Requests that a target answered in the end",
            ("service", "version", "target", "status_class"),
            _by_class(self._totals.targets.items()).items(),
        )
        for name, text, index in (
            ("shunt_received_bytes", "Bytes of requests received from clients", stats.BYTES_IN),
            ("shunt_sent_bytes", "Bytes of responses sent to clients", stats.BYTES_OUT),
        ):
            values = ((names, row[index - stats.BYTES_IN]) for names, row in self._totals.routes.items())
            yield _counter(name, text, ("service", "route", "version"), values)

    def _durations(self) -> Iterator[Metric]:
        routes = self._totals.routes.items()
        yield _histogram(
            "shunt_request_duration_seconds",
            "From a request's first byte to its response's last, by the version drawn",
            ("service", "route", "version"),
            stats.BOUNDS,
            ((names, row[stats.DURATION - stats.BYTES_IN :]) for names, row in routes),
        )
        yield _histogram(
            "shunt_upstream_duration_seconds",
            "From the last try's start to its end, by the version that answered",
            ("service", "version"),
            stats.BOUNDS,
            self._totals.upstream.items(),
        )
        yield _histogram(
            "shunt_proxy_duration_seconds",
            "The part of a request's time that was not its last try at a target: Shunt's own, waits and retries",
            ("service",),
            stats.PROXY_BOUNDS,
            (((service,), row) for service, row in self._totals.services.items()),
        )

    def _events(self) -> Iterator[Metric]:
        values: dict[str, dict[Labels, float]] = {word: {} for word in _COUNTS}
        for (word, *labels), count in self._totals.counts.items():
            values[word][tuple(labels)] = count
        for word, (name, text, labelled) in _COUNTS.items():
            yield _counter(name, text, labelled.split(), (self._zeros(word, labelled) | values[word]).items())

    def _zeros(self, word: str, labelled: str) -> dict[Labels, float]:
        """What may happen stands at 0 before it does, or its first time would not be seen as a rise."""
        totals = self._totals
        if word == "ejection":
            return dict.fromkeys(totals.targets, 0.0)
        if word == "refused":
            return {(cause,): 0.0 for cause in _REFUSALS}
        if word == "shadow":
            return {(*version, verdict): 0.0 for version in totals.shadows for verdict in get_args(stats.Verdict)}
        if word in _CAUSES:
            return {(*version, cause): 0.0 for version in totals.versions for cause in _CAUSES[word]}
        return {(): 0.0} if not labelled else dict.fromkeys(totals.versions, 0.0)

    def _standing(self) -> Iterator[Metric]:
        totals = self._totals
        busy = (((service, version), count) for (service, version, _), count in totals.in_flight.items())
        in_flight = dict.fromkeys(totals.versions, 0.0) | _sum(busy)
        yield _gauge("shunt_in_flight_requests", "Requests now at targets", ("service", "version"), in_flight.items())
        held = dict.fromkeys((service for service, _ in totals.versions), 0) | dict(totals.held)
        waiting = (((service,), count) for service, count in held.items())
        yield _gauge("shunt_held_requests", "Requests that wait for a hold to end", ("service",), waiting)
        yield _gauge("shunt_connections", "Open connections of clients", (), [((), totals.connections)])

    def _control(self) -> Iterator[Metric]:
        vitals = self._vitals
        reloads = {"applied": 0, "unchanged": 0, "rejected": 0} | dict(vitals.reloads)
        results = (((result,), count) for result, count in reloads.items())
        yield _counter("shunt_reloads", "Reloads of the rules", ("result",), results)
        flag_reloads = {"applied": 0, "unchanged": 0, "rejected": 0} | dict(vitals.flag_reloads)
        results = (((result,), count) for result, count in flag_reloads.items())
        yield _counter("shunt_flag_reloads", "Reloads of the feature flags", ("result",), results)
        revisions = (((str(slot),), revision) for slot, revision in vitals.worker_revisions.items())
        yield _gauge("shunt_worker_revision", "The revision that a worker follows", ("worker",), revisions)
        yield _counter("shunt_worker_restarts", "Workers replaced", (), [((), vitals.worker_restarts)])
        yield _gauge(
            "shunt_target_healthy",
            "1 if the last active check found the target well",
            ("service", "version", "target"),
            vitals.healthy.items(),
        )
        for name, text, value in (
            ("shunt_rules_valid", "1 if the newest rules are in force", vitals.rules_valid),
            ("shunt_flags_valid", "1 if the newest feature flags are in force", vitals.flags_valid),
            ("shunt_flags", "Feature flags in force", vitals.flags),
            ("shunt_rules_revision", "The revision in force", vitals.revision),
            ("shunt_overrides", "Overrides on top of the rules", vitals.overrides),
            ("shunt_start_time_seconds", "When the control plane began", vitals.started),
        ):
            yield _gauge(name, text, (), [((), value)])
        yield _gauge("shunt_build_info", "The version of Shunt, always 1", ("version",), [((__version__,), 1)])


def _by_class(rows: Iterable[tuple[Labels, Row]]) -> dict[Labels, float]:
    named = [(index, (word,)) for index, word in enumerate(STATUS_CLASSES)]
    # The first failure must be seen as a rise, so 5xx is there from the first request on.
    return _sum((name + word, row[index]) for name, row in rows for index, word in named if row[index] or index == 5)


def _sum(values: Iterable[tuple[Labels, float]]) -> dict[Labels, float]:
    total: dict[Labels, float] = {}
    for labels, value in values:
        total[labels] = total.get(labels, 0) + value
    return total


def _counter(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Labels, float]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for named, value in values:
        family.add_metric(named, value)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Labels, float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for named, value in values:
        family.add_metric(named, value)
    return family


def _histogram(
    name: str, text: str, labels: Sequence[str], bounds: Sequence[float], rows: Iterable[tuple[Labels, Row]]
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    limits = [*(str(bound) for bound in bounds), "+Inf"]
    for named, (total, *buckets) in rows:
        family.add_metric(named, list(zip(limits, accumulate(buckets), strict=True)), total)
    return family


def render(collector: Collector, accept: str = "") -> tuple[bytes, str]:
    """The scrape as text and its content type, in the format that the scraper's Accept header asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(collector), content_type
