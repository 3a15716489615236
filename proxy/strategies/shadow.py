"""Shadow: another version hears a copy; the primary never notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from proxy.conditions import STRICT, Identity, When, compiled
from proxy.model import Dice, Request
from proxy.strategies.sticky import Ground
from proxy.units import Bytes, Percent, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """`{version: next, percent: 25}`; budgets are per worker."""

    __pydantic_config__ = STRICT

    version: str
    percent: Percent = 100.0
    methods: tuple[str, ...] = ("GET", "HEAD")
    when: When | None = None
    max_body: Bytes = 1 << 20
    max_in_flight: int = 64
    max_bytes: Bytes = 32 << 20
    timeout: Seconds = 5.0
    host: Literal["preserve", "target"] | str = "preserve"


Unheard = Literal["", "method", "sampled"]
Copies = Callable[[Request, Identity, Dice], Unheard | None]
"""The verb of a copier: "" if this request is copied, else why it is left out; None if it is not meant at all."""


def rule(settings: Shadow) -> str:
    """The rule's name, which salts the percentages of its `when`."""
    return f"shadow:{settings.version}"


def copier(settings: Shadow, ground: Ground) -> Copies:
    """Whether that version hears the request; `percent` is drawn for each request on its own."""
    is_meant = compiled(settings.when, ground.context(rule(settings))) if settings.when is not None else None
    methods = frozenset(method.upper().encode() for method in settings.methods)
    share = settings.percent / 100

    def copies(request: Request, identity: Identity, dice: Dice) -> Unheard | None:
        if is_meant is not None and not is_meant(request, identity, dice):
            return None
        if request.method not in methods:
            return "method"
        return "" if share >= 1 or dice.random() < share else "sampled"

    return copies
