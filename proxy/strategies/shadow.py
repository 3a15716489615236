"""Shadow: another version hears a copy; the primary never notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from proxy.conditions import STRICT, When
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
