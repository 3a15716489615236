"""The herald: rejected rules and rollout steps as Kubernetes Events, for those who look there first."""

from __future__ import annotations

import logging
from typing import Literal, NamedTuple

from proxy.control.events import Event, Events
from proxy.kubernetes.events import Reporter
from proxy.kubernetes.faults import ApiError

_log = logging.getLogger("shunt.kubernetes")


ENDED_BADLY = ("rolled back", "frozen", "aborted")


class Words(NamedTuple):
    """What an Event says."""

    kind: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


def words(event: Event) -> Words | None:
    """How an event of the control plane is told; None for what is not worth an Event."""
    said = event.value if isinstance(event.value, dict) else {}
    if event.name in ("rules", "flags"):
        what = event.name.capitalize()
        faults = said.get("faults")
        if said.get("valid") is True:
            return Words("Normal", f"{what}Accepted", "Reload", f"the newest {event.name} are in force")
        listed = "; ".join(map(str, faults)) if isinstance(faults, list) else ""
        return Words("Warning", f"{what}Rejected", "Reload", f"the last good {event.name} stay in force: {listed}")
    if event.name == "rollout":
        became = str(said.get("event"))
        reason = f"Rollout{became.title().replace(' ', '')}"
        kind: Literal["Normal", "Warning"] = "Warning" if became in ENDED_BADLY else "Normal"
        return Words(kind, reason, "Rollout", f"{said.get('name')} {said.get('release')}: {said.get('text')}")
    return None


class Herald:
    """Reports for as long as the control plane lives; an Event that is not taken is logged and forgotten."""

    def __init__(self, reporter: Reporter, events: Events) -> None:
        self._reporter = reporter
        self._events = events

    async def run(self) -> None:
        """Report what is told from now on, and until the control plane leaves or reports come too slowly for it."""
        with self._events.listen() as listener:
            async for event in listener:
                await self._report(event)

    async def _report(self, event: Event) -> None:
        told = words(event)
        if told is None:
            return
        try:
            await self._reporter.report(*told)
        except ApiError as fault:
            _log.warning("the Event %s was not taken: %s", told.reason, fault)
