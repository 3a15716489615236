"""What the control plane asks of the workers, and nothing else.

The verbs are written against this; the supervisor's workers implement it, and tests do in memory.
Every question is bounded in time: a worker that does not answer is replaced, and the receipt says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.errors import ShuntError
from proxy.flags.flagset import NO_FLAGS, Sources
from proxy.rules import Rules

ACKNOWLEDGE_SECONDS = 2.0
"""A worker that has not acknowledged a table after so long is killed and its slot refilled."""


class CompileFailed(ShuntError):
    """A worker could not compile the rules that it was sent; its message says why."""

    status, word = 422, "compile_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All live workers have the revision: no request planned from now on follows an older one."""

    revision: int
    acknowledged: tuple[int, ...]
    """The slots of the workers that confirmed it."""
    replaced: tuple[int, ...] = ()
    """The slots whose worker missed the bound and was killed; its successor starts at this revision."""
    in_flight: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Requests on their way at the moment of the swap, by (service, version), over all workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReceipt:
    """All live workers hold the service's new requests."""

    in_flight: int
    """Requests of the service still on their way, without tunnels."""
    held: int
    """Requests that wait in the proxy."""
    replaced: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker as the brain sees it; `started` in seconds since the epoch."""

    slot: int
    pid: int
    revision: int
    started: float


class DataPlanes(Protocol):
    """All workers as one."""

    async def publish(self, revision: int, rules: Rules, flags: Sources = NO_FLAGS) -> Receipt:
        """Give every worker the effective rules and feature flags and return when all that live have swapped to them.

        Raises CompileFailed when a worker could not compile; the caller then publishes the former rules
        again (under a new revision), so no worker is left ahead of the others. The same rules may come
        twice; publishing is idempotent. Calls never overlap: the store's door lets in one at a time.
        """
        ...

    async def hold(self, service: str, max_seconds: float, for_seconds: float) -> HoldReceipt:
        """Let new requests of the service wait, each at most `max_seconds`, the hold itself `for_seconds`.

        Returns when all workers hold; it does not wait for requests in flight (ask `in_flight` for that).
        """
        ...

    async def release(self, service: str) -> None:
        """Let the held requests of the service go, in order per worker; nothing happens when none is held."""
        ...

    async def in_flight(self, service: str, version: str | None = None, target: str | None = None) -> int:
        """Requests now on their way, freshly asked of all workers, without tunnels.

        `target` is an address as the rules write it, `http://10.0.0.7:8080`.
        """
        ...

    async def set_health(self, service: str, version: str, address: str, *, healthy: bool) -> None:
        """Tell all workers, successors too, that a target is up or down, as the active checks found."""
        ...

    def workers(self) -> Sequence[WorkerStatus]:
        """The workers that live, by slot."""
        ...
