"""The intake: what a file says is taken whole or refused whole; either way it is counted, and people can see why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from proxy.control.dataplanes import CompileFailed, Receipt
from proxy.errors import Invalid, ShuntError
from proxy.kubernetes.precedence import Superseded

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Intake(Generic[T]):
    """`change` puts a value in force, or answers None when it is already; `refuse` shows what is wrong with a file."""

    def __init__(
        self, change: Callable[[T], Awaitable[Receipt | None]], refuse: Callable[[Sequence[str]], None]
    ) -> None:
        self._change = change
        self._refuse = refuse
        self.reloads: Counter[str] = Counter()
        """By result: `applied`, `unchanged`, `rejected`."""

    async def take(self, found: T | Invalid) -> None:
        """Put in force what was found, or keep the last good and say what is wrong."""
        if isinstance(found, Superseded):
            _log.info("%s", found)
            return
        if isinstance(found, Invalid):
            self._reject(found)
            return
        try:
            receipt = await self._change(found)
        except CompileFailed as fault:
            self._reject(fault)
            return
        self.reloads["applied" if receipt else "unchanged"] += 1

    def _reject(self, fault: ShuntError) -> None:
        self.reloads["rejected"] += 1
        self._refuse(lines(fault))
        for line in lines(fault):
            _log.error("%s", line)


def lines(faults: Exception) -> Sequence[str]:
    """One line for each fault."""
    return str(faults).splitlines()
