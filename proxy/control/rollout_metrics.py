"""Rollouts as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from proxy.rollout.course import Course
from proxy.rollout.state import Phase


def rollout_metrics(courses: Iterable[Course], lost_messages: int) -> Iterator[Metric]:
    """What there is to say of each rollout; `scope` is a service or service/route. Only reads: a thread may scrape."""
    state = GaugeMetricFamily("shunt_rollout_state", "1 for the state that it is in", labels=("scope", "state"))
    step = GaugeMetricFamily("shunt_rollout_step", "The step, counted from 0", labels=("scope",))
    weight = GaugeMetricFamily("shunt_rollout_weight", "The candidate's percentage", labels=("scope",))
    evidence = GaugeMetricFamily(
        "shunt_rollout_evidence", "That the candidate is worse; at the threshold it goes back", labels=("scope",)
    )
    threshold = GaugeMetricFamily("shunt_rollout_evidence_threshold", "1 / alpha", labels=("scope",))
    requests = GaugeMetricFamily(
        "shunt_rollout_requests", "Requests that were judged since it began", labels=("scope", "arm", "failed")
    )
    for course in courses:
        scope, rollout = course.scope, course.rollout
        for phase in Phase:
            state.add_metric((scope, phase.value), float(rollout.phase is phase))
        step.add_metric((scope,), rollout.step)
        weight.add_metric((scope,), rollout.weight)
        evidence.add_metric((scope,), course.evidence)
        threshold.add_metric((scope,), 1 / course.programme.analysis.alpha)
        seen = course.seen
        for arm, all_, failed in (
            ("stable", seen.stable, seen.stable_failed),
            ("candidate", seen.candidate, seen.candidate_failed),
        ):
            requests.add_metric((scope, arm, "no"), all_ - failed)
            requests.add_metric((scope, arm, "yes"), failed)
    yield from (state, step, weight, evidence, threshold, requests)
    yield CounterMetricFamily(
        "shunt_rollout_lost_notifications", "Notifications that nobody got", value=float(lost_messages)
    )
