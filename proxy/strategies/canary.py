"""Canary: shares by weight; nobody who has the candidate loses it while the weight grows."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.conditions import STRICT
from proxy.units import Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Either `stable`, `candidate`, `weight` (the candidate's percentage), or `weights` by version."""

    __pydantic_config__ = STRICT

    stable: str | None = None
    candidate: str | None = None
    weight: Percent = 0.0
    weights: dict[str, float] = field(default_factory=dict)
    failover: bool = True
