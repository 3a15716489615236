"""Flags: who matches goes to that version; the first match wins, before anything else."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.conditions import STRICT, When


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`{name: beta-testers, when: {header: {x-beta: "true"}}, version: next}`"""

    __pydantic_config__ = STRICT

    name: str
    when: When
    version: str
