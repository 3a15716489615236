"""Rolling: one version answers everything, while its targets are replaced one by one."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.conditions import STRICT, Identity
from proxy.model import Choice, Dice, Request
from proxy.strategies.sticky import Choose


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """`rolling: {version: v1}`"""

    __pydantic_config__ = STRICT

    version: str


def chooser(settings: Rolling | None) -> Choose | None:
    """Everything goes to that version."""
    if settings is None:
        return None
    choice = Choice(settings.version, "rolling")

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice:
        return choice

    return choose
