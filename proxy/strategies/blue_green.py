"""Blue-green: one colour answers everything."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.conditions import STRICT, When


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
