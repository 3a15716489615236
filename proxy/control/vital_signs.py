"""The vital signs: whether traffic should come here, and what Prometheus reads at a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from proxy.control.cluster import Cluster
from proxy.control.door import Control
from proxy.control.flag_files import FlagFiles
from proxy.control.lookout import Lookout
from proxy.control.pacer import Pacer
from proxy.control.rollout_metrics import rollout_metrics
from proxy.control.rules_files import RulesFiles
from proxy.control.telemetry import Readiness
from proxy.control.workers import Workers
from proxy.observe.metrics import Collector, Vitals
from proxy.observe.totals import Totals


@dataclass(slots=True, kw_only=True, eq=False)
class VitalSigns:
    """All that is asked; for prometheus_client it is a collector. A thread may scrape, so nothing here writes."""

    control: Control
    workers: Workers
    totals: Totals
    lookout: Lookout
    cluster: Cluster
    rules: RulesFiles
    flags: FlagFiles
    pacer: Pacer
    started: float = field(default_factory=time.time)
    restarts: int = 0
    """Workers that ended unasked."""
    is_leaving: bool = False

    def readiness(self) -> Readiness:
        """Whether it is ready now, and why not."""
        reasons = []
        if self.is_leaving:
            reasons.append("shunt is leaving")
        if not self.workers.count_serving():
            reasons.append("no worker serves")
        condition = self.control.condition
        remarks = (*condition.faults, *condition.flag_faults, *self.lookout.faults(), *self.cluster.faults())
        return Readiness(is_ready=not reasons, reasons=reasons, remarks=remarks)

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        state, condition = self.control.store.state, self.control.condition
        vitals = Vitals(
            rules_valid=not condition.faults,
            flags_valid=not condition.flag_faults,
            flags=len(self.control.flags.current.flags),
            flag_reloads=dict(self.flags.intake.reloads),
            revision=state.revision,
            reloads=dict(self.rules.intake.reloads),
            worker_revisions={worker.slot: worker.revision for worker in self.workers.workers()},
            worker_restarts=self.restarts,
            healthy=self.lookout.verdicts(),
            overrides=len(state.overrides),
            started=self.started,
        )
        yield from Collector(self.totals.snapshot(), vitals).collect()
        yield from rollout_metrics(self.pacer.courses(), self.pacer.lost_messages)
