"""Events: what `kubectl describe` and `kubectl events` show of rollouts and rejected rules."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Literal

from proxy.kubernetes.api import Api
from proxy.kubernetes.objects import Collection, Object

MAX_NOTE_BYTES = 1024
"""Longer notes are refused by the API server (events.k8s.io/v1)."""


class Reporter:
    """Writes Events about one object, the ConfigMap of the rules, in this replica's name."""

    def __init__(self, api: Api, replica: str, about: str = "shunt-rules") -> None:
        self._api = api
        self._replica = replica
        self._about = about
        self._where = Collection(group="events.k8s.io/v1", resource="events", namespace=api.access.namespace)

    async def report(self, kind: Literal["Normal", "Warning"], reason: str, action: str, note: str) -> None:
        """Write one; ApiError when it was not taken. `reason` and `action` are words in CamelCase."""
        namespace = self._api.access.namespace
        regarding = {"apiVersion": "v1", "kind": "ConfigMap", "name": self._about, "namespace": namespace}
        event: Object = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{self._about}.{secrets.token_hex(8)}", "namespace": namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "shunt",
            "reportingInstance": self._replica[:128],
            "type": kind,
            "reason": reason,
            "action": action,
            "note": note.encode()[:MAX_NOTE_BYTES].decode(errors="ignore"),
            "regarding": {**regarding},
        }
        await self._api.create(self._where, event)
