"""The Lease: exactly one replica paces rollouts and judges.

As client-go does it: others' clocks are not believed. A holder counts as gone when its record has not changed
for the lease's duration on the observer's own clock, and whoever takes over does so by a compare and swap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from proxy.kubernetes.api import Api
from proxy.kubernetes.faults import ApiError
from proxy.kubernetes.objects import Collection, Json, Object, mapping, text

DURATION_SECONDS = 15.0
RENEW_SECONDS = 10.0
"""A leader that could not renew for so long stops leading, well before anybody else may begin."""
RETRY_SECONDS = 2.0

_log = logging.getLogger("shunt.kubernetes")


class Lease:
    """This replica's part in the election."""

    def __init__(
        self,
        api: Api,
        identity: str,
        *,
        name: str = "shunt",
        duration_seconds: float = DURATION_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._where = Collection(group="coordination.k8s.io/v1", resource="leases", namespace=api.access.namespace)
        self.identity = identity
        self._name = name
        self._duration = duration_seconds
        self._renew = renew_seconds
        self._retry = retry_seconds
        self._clock = clock
        self._seen: Json = None
        """The record as it was seen last, and since when it has not changed."""
        self._seen_at = 0.0
        self._renewed_at = -renew_seconds
        self.holder = ""
        """Who leads, as far as is known."""

    @property
    def is_leader(self) -> bool:
        """Whether this replica leads at this very moment; false as soon as it could not renew in time."""
        return self.holder == self.identity and self._clock() - self._renewed_at < self._renew

    async def run(self) -> None:
        """Take part for as long as the control plane lives, and step down in the end."""
        try:
            while True:
                await self.step()
                await asyncio.sleep(self._retry)
        finally:
            if self.is_leader:
                await asyncio.shield(self.resign())

    async def step(self) -> None:
        """Renew, take over, or wait: one round of the election."""
        began = self._clock()
        try:
            found = await self._api.get(self._where, self._name)
            spec = mapping(found.get("spec"))
            self._observe(spec)
            if self._may_hold(spec):
                await self._api.replace(self._where, self._held(found, spec))
                if self.holder != self.identity:
                    _log.info("%s leads now", self.identity)
                self.holder, self._renewed_at = self.identity, began
        except ApiError as fault:
            _log.debug("lease: %s", fault)

    async def resign(self) -> None:
        """Let go at once, so that a successor need not wait for the lease to run out."""
        try:
            found = await self._api.get(self._where, self._name)
            spec = mapping(found.get("spec"))
            if text(spec.get("holderIdentity")) == self.identity:
                await self._api.replace(self._where, {**found, "spec": spec | {"holderIdentity": ""}})
        except ApiError as fault:
            _log.debug("lease: %s", fault)
        self.holder = ""

    def _observe(self, spec: dict[str, Json]) -> None:
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        self.holder = text(spec.get("holderIdentity"))

    def _may_hold(self, spec: dict[str, Json]) -> bool:
        if self.holder in ("", self.identity):
            return True
        stated = spec.get("leaseDurationSeconds")
        duration = float(stated) if isinstance(stated, (int, float)) else self._duration
        return self._clock() - self._seen_at >= duration

    def _held(self, found: Object, spec: dict[str, Json]) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        transitions = spec.get("leaseTransitions")
        counted = transitions if isinstance(transitions, int) else 0
        is_new = text(spec.get("holderIdentity")) != self.identity
        mine: dict[str, Json] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
            "acquireTime": now if is_new else spec.get("acquireTime", now),
            "leaseTransitions": counted + is_new,
        }
        return {**found, "spec": mine}
