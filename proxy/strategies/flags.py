"""Flags: who matches goes to that version; the first match wins, before anything else."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.conditions import STRICT, Identity, When, compiled
from proxy.model import Choice, Dice, Request
from proxy.strategies.sticky import Choose, Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`{name: beta-testers, when: {header: {x-beta: "true"}}, version: next}`"""

    __pydantic_config__ = STRICT

    name: str
    when: When
    version: str


def chooser(settings: tuple[Flag, ...] | None, ground: Ground) -> Choose | None:
    """The first flag that matches says the version; if none does, the next chooser is asked."""
    if not settings:
        return None
    rules = tuple(
        (compiled(flag.when, ground.context(flag.name)), Choice(flag.version, f"flag:{flag.name}")) for flag in settings
    )

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice | None:
        for is_meant, choice in rules:
            if is_meant is None or is_meant(request, identity, dice):
                return choice
        return None

    return choose
