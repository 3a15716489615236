"""Rolling: one version answers everything, while its targets are replaced one by one."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.conditions import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """`rolling: {version: v1}`"""

    __pydantic_config__ = STRICT

    version: str
