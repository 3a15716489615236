"""The feature flags as people see them: what their files say, what was set on top, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from proxy.control import verbs
from proxy.control.admin import inputs
from proxy.control.admin.desk import Desk
from proxy.control.export import plain
from proxy.flags.flag import Flag
from proxy.overrides import FLAG, Override


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagView:
    """One feature flag."""

    key: str
    kind: Literal["plain", "flagd"]
    enabled: bool
    written: str
    """What its source says, in one line."""
    override: Override | None
    """What was set on top of it."""
    variants: dict[str, JsonValue]
    source: str
    drives: tuple[str, ...]
    """The canaries whose candidate it draws, as service or service/route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsView:
    """All feature flags by name."""

    revision: int
    flag_revision: str
    """What `x-shunt-revision` tells applications: the name of exactly these flags."""
    valid: bool
    faults: tuple[str, ...]
    """Of the present flag files; the last good flags are in force."""
    flags: tuple[FlagView, ...]


def flags(desk: Desk, _: inputs.Nothing) -> FlagsView:
    control = desk.control
    current, condition = control.flags.current, control.condition
    return FlagsView(
        revision=control.store.revision,
        flag_revision=current.revision,
        valid=not condition.flag_faults,
        faults=condition.flag_faults,
        flags=tuple(_view(desk, current.flags[key]) for key in sorted(current.flags)),
    )


def _view(desk: Desk, flag: Flag) -> FlagView:
    state = desk.control.store.state
    override = next((each for each in state.overrides if each.field == f"{FLAG}{flag.key}"), None)
    return FlagView(
        key=flag.key,
        kind=flag.kind,
        enabled=flag.is_enabled,
        written=flag.written,
        override=override,
        variants={name: plain(value) for name, value in flag.variants.items()},
        source=flag.source,
        drives=tuple(verbs.driven_by(state.effective, flag.key)),
    )
