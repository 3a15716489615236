"""Conditions: who is meant, in one grammar for `match` and `when`."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.units import Percent

STRICT = {"extra": "forbid", "alias_generator": lambda name: name.rstrip("_"), "populate_by_name": False}
"""For pydantic, which reads it off the class: unknown keys are faults; `not_` is written `not`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """How a value is compared: exactly one of exact, prefix, regex (RE2, whole value), present."""

    __pydantic_config__ = STRICT

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None
    present: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """All given parts must hold; see the reference of `match` and `when`."""

    __pydantic_config__ = STRICT

    path: Text | None = None
    method: tuple[str, ...] = ()
    header: dict[str, Text] = field(default_factory=dict)
    cookie: dict[str, Text] = field(default_factory=dict)
    query: dict[str, Text] = field(default_factory=dict)
    client: tuple[str, ...] = ()
    flag: dict[str, str] = field(default_factory=dict)
    percent: Percent | None = None
    any: tuple[When, ...] = ()
    not_: When | None = None
