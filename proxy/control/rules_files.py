"""The rules files: what they say is in force within a second, and the last good rules outlive every brain."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

from proxy import config
from proxy.config.files import is_rules_name
from proxy.control.changes import Changes
from proxy.control.cluster import Cluster
from proxy.control.dataplanes import Receipt
from proxy.control.intake import Intake, lines
from proxy.control.watcher import watch_rules
from proxy.errors import Invalid
from proxy.processes.held import HeldMemory
from proxy.rules import Rules
from proxy.settings import Settings


class RulesFiles:
    """Watches where the settings say that rules are; `kept` holds the last good ones, `took` hears of new ones."""

    def __init__(
        self, settings: Settings, control: Changes, cluster: Cluster, kept: HeldMemory, took: Callable[[Rules], None]
    ) -> None:
        self.where = settings.rules
        self._control = control
        self._kept = kept
        self._took = took
        self.intake = Intake(self._load, control.refuse)
        self._told = cluster.follow(settings.kubernetes.rules, config.rules, self.intake.take, is_rules_name)
        guarded = self._told.guarded(config.rules) if self._told else config.rules
        self._watcher = watch_rules(Path(settings.rules), self.intake.take, guarded)

    async def first(self) -> tuple[Rules, Sequence[str]]:
        """The rules at the start; for a brain that came back to a broken file, the last good ones and the faults."""
        try:
            told = await self._told.first() if self._told else None
            return told or await self._watcher.first(), ()
        except Invalid as faults:
            former = self.former()
            if former is None:
                raise
            return former, lines(faults)

    def former(self) -> Rules | None:
        """The last good rules of a brain that was here before."""
        kept = self._kept.read()
        rules = pickle.loads(kept) if kept else None
        assert rules is None or isinstance(rules, Rules)
        return rules

    def keep(self, rules: Rules) -> None:
        """These are in force: the last good ones from now on."""
        self._kept.write(pickle.dumps(rules, protocol=5))
        self._took(rules)

    async def run(self) -> None:
        """Watch for as long as the control plane lives."""
        await self._watcher.run()

    def reload(self) -> None:
        """Read and take at once, changed or not."""
        self._watcher.reload()

    async def warnings(self) -> list[str]:
        """Why changes may never be seen, in words for people."""
        return await self._watcher.warnings()

    async def _load(self, rules: Rules) -> Receipt | None:
        receipt = await self._control.reload(rules, self.where)
        self.keep(rules)
        return receipt
