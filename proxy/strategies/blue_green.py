"""Blue-green: one colour answers everything."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.conditions import STRICT, Identity, When, compiled
from proxy.model import Choice, Dice, Request
from proxy.strategies.sticky import Choose, Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Who may try the other colour out before the switch."""

    __pydantic_config__ = STRICT

    version: str
    when: When


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """`blue_green: {active: blue, preview: {version: green, when: {header: {x-preview: "1"}}}}`"""

    __pydantic_config__ = STRICT

    active: str
    preview: Preview | None = None


PREVIEW = "preview"
"""The rule's name, which salts its percentages."""


def previewer(settings: BlueGreen | None, ground: Ground) -> Choose | None:
    """Who may try the other colour out goes there; the rest is not for this chooser."""
    if settings is None or settings.preview is None:
        return None
    choice = Choice(settings.preview.version, "preview")
    is_meant = compiled(settings.preview.when, ground.context(PREVIEW))

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice | None:
        return choice if is_meant is None or is_meant(request, identity, dice) else None

    return choose


def chooser(settings: BlueGreen | None) -> Choose | None:
    """Everything goes to the active colour."""
    if settings is None:
        return None
    choice = Choice(settings.active, "active")

    def choose(request: Request, identity: Identity, dice: Dice) -> Choice:
        return choice

    return choose
