"""The store: the one door through which a file, a clock and a person change the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from proxy import overrides as law
from proxy.errors import Conflict, NotFound
from proxy.flags.flagset import NO_FLAGS, Sources
from proxy.ledger import By, Entry, Kind, Ledger, Move
from proxy.overrides import ACTIVE, EVERYWHERE, Override, Value
from proxy.rules import Rules, Service


class Stale(Conflict):
    """The change expected another revision than the present one."""

    def __init__(self, expecting: int, revision: int) -> None:
        super().__init__(f"expected revision {expecting}, but the present one is {revision}; look again and repeat")
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Set:
    """Override one field; setting what the rules say anyway drops the override."""

    scope: str
    field: str
    value: Value
    origin: Literal["operator", "rollout"] = "operator"


@dataclass(frozen=True, slots=True)
class Reset:
    """Drop all overrides of a service and its routes."""

    service: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the last verb, of one service or of all."""

    service: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """New rules from a file. `staying`: scopes whose former colour stays, because the new one is not healthy."""

    rules: Rules
    staying: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LoadFlags:
    """New feature flags from their files."""

    flags: Sources


@dataclass(frozen=True, slots=True)
class Arrived:
    """The colour that the rules name and that was waited for is healthy now."""

    scope: str


Change = Set | Reset | Undo | Load | LoadFlags | Arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One revision: rules and flags as in their files, what lies on top of them, and both together."""

    revision: int
    rules: Rules
    overrides: tuple[Override, ...]
    effective: Rules
    flags: Sources = NO_FLAGS
    effective_flags: Sources = NO_FLAGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What must outlive a restart. `colours`: the active colour in force, by scope."""

    revision: int = 0
    overrides: tuple[Override, ...] = ()
    colours: dict[str, str] = field(default_factory=dict)


class Changed(NamedTuple):
    """A change that was made: the state before and after it, and its line in the ledger."""

    before: State
    after: State
    entry: Entry
    void: tuple[Override, ...]
    """Overrides that ended with it, because the rules say something else now."""


class ColourMove(NamedTuple):
    """New rules would move a scope's traffic from one colour to another."""

    scope: str
    former: str
    wanted: str


class Store:
    """The present state and how it came about. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        clock: Callable[[], float],
        kept: Kept | None = None,
        ledger: Ledger | None = None,
        *,
        rules: Rules | None = None,
        flags: Sources = NO_FLAGS,
    ) -> None:
        """`rules` and `flags`: those that were in force with what was kept, when somebody still knows them.

        Without former flags `flags` are the present ones: an override of a flag must find what it was set on.
        """
        self._clock = clock
        kept = kept or Kept()
        self._colours = kept.colours
        rules = rules or Rules()
        applied = law.apply(kept.overrides, rules, flags)
        self.state = State(
            revision=kept.revision,
            rules=rules,
            overrides=kept.overrides,
            effective=applied.rules,
            flags=flags,
            effective_flags=applied.flags,
        )
        self.ledger = ledger or Ledger()

    @property
    def revision(self) -> int:
        return self.state.revision

    def kept(self) -> Kept:
        """What a restart needs to find this state again, together with the rules file and the ledger."""
        return Kept(
            revision=self.revision,
            overrides=self.state.overrides,
            colours=self._present_colours(),
        )

    def apply(self, change: Change, by: By, *, expecting: int | None = None) -> Changed | None:
        """Make the change under a new revision, or return None when it changes nothing.

        Raises Conflict when `expecting` is not the present revision or the change does not fit, NotFound
        when it names something that is not there; then everything stays as it was.
        """
        if expecting is not None and expecting != self.revision:
            raise Stale(expecting, self.revision)
        before = self.state
        rules = change.rules if isinstance(change, Load) else before.rules
        flags = change.flags if isinstance(change, LoadFlags) else before.flags
        outcome = law.apply(self._wanted(change), rules, flags)
        if (rules, flags, outcome.valid) == (before.rules, before.flags, before.overrides):
            if isinstance(change, Undo):
                raise Conflict("what the verb replaced is gone from the files: there is nothing to go back to")
            return None
        self.state = State(
            revision=before.revision + 1,
            rules=rules,
            overrides=outcome.valid,
            effective=outcome.rules,
            flags=flags,
            effective_flags=outcome.flags,
        )
        moves = _moves(before.overrides, outcome.valid)
        entry = self.ledger.write(
            by,
            when=self._clock(),
            revision=self.revision,
            kind=_kind(change),
            moves=moves,
            services=_touched(before.rules, rules, moves),
        )
        if isinstance(change, Undo):
            self._strike_undone(change)
        return Changed(before, self.state, entry, outcome.void)

    def restore(self, failed: Changed, reason: str) -> State:
        """Go back to the state before a change that could not be carried out, under a new revision."""
        self.state = replace(failed.before, revision=self.revision + 1)
        self.ledger.strike(failed.entry.number, by_revision=self.revision, failed=True)
        self.ledger.unstrike(failed.after.revision)
        by = By("shunt", f"take back: {failed.entry.what}", reason)
        self.ledger.write(by, when=self._clock(), revision=self.revision, kind="failed", services=failed.entry.services)
        return self.state

    def note(self, by: By, services: tuple[str, ...] = ()) -> Entry:
        """Write down what makes no new table, such as a hold."""
        return self.ledger.write(by, when=self._clock(), revision=self.revision, kind="note", services=services)

    def skip_to(self, revision: int) -> None:
        """Go on counting from a revision that workers have already seen, after the state was lost."""
        if revision > self.revision:
            self.state = replace(self.state, revision=revision)

    def colour_moves(self, rules: Rules) -> tuple[ColourMove, ...]:
        """The scopes whose active colour would change if these rules were loaded now."""
        former = self._present_colours()
        coming = law.apply(self.state.overrides, rules).rules
        return tuple(
            ColourMove(scope, former[scope], wanted)
            for scope, wanted in _colours(coming).items()
            if scope in former and former[scope] != wanted and former[scope] in _service(coming, scope).versions
        )

    def waiting(self) -> tuple[ColourMove, ...]:
        """The scopes whose rules name a colour that is not in force yet, because it is not healthy."""
        return tuple(
            ColourMove(override.scope, str(override.value), str(override.was))
            for override in self.state.overrides
            if override.origin == "waiting"
        )

    def _present_colours(self) -> dict[str, str]:
        return _colours(self.state.effective) if self.state.rules.services else self._colours

    def _wanted(self, change: Change) -> Iterable[Override]:
        now = self.state.overrides
        match change:
            case Set():
                return self._with_set(change)
            case Reset(service):
                _service(self.state.rules, service)
                return [override for override in now if override.service != service or override.origin == "waiting"]
            case Undo():
                return self._with_undone(self._to_undo(change))
            case Load(rules, staying):
                return [*now, *_staying(rules, staying)]
            case LoadFlags():
                return now
            case Arrived(scope):
                return [override for override in now if override.key != (scope, ACTIVE) or override.origin != "waiting"]

    def _with_set(self, change: Set) -> list[Override]:
        was = law.said(self.state.rules, change.scope, change.field, self.state.flags)
        if was is None:
            raise NotFound(f"the files say nothing of {change.field} at {change.scope}")
        others = [override for override in self.state.overrides if override.key != (change.scope, change.field)]
        is_as_ruled = change.value == (was[2] if change.field == law.WEIGHT and isinstance(was, tuple) else was)
        if is_as_ruled:
            return others
        return [*others, Override(change.scope, change.field, change.value, was, change.origin)]

    def _to_undo(self, change: Undo) -> Entry:
        entry = self.ledger.undoable(change.service)
        latest = self.ledger.latest(1, service=change.service)
        by_file = f"; revision {latest[0].revision} came from the rules file: undo it there" if _is_file(latest) else ""
        if entry is None:
            raise Conflict(f"there is no verb to undo{by_file}")
        present = {override.key: override for override in self.state.overrides}
        if any(present.get((move.scope, move.field)) != move.after for move in entry.moves):
            raise Conflict(f"the rules file has overtaken “{entry.what}” (revision {entry.revision}): undo it there")
        return entry

    def _with_undone(self, entry: Entry) -> list[Override]:
        keys = {(move.scope, move.field) for move in entry.moves}
        others = [override for override in self.state.overrides if override.key not in keys]
        return [*others, *(move.before for move in entry.moves if move.before is not None)]

    def _strike_undone(self, change: Undo) -> None:
        undone = self.ledger.undoable(change.service)
        if undone is not None:
            self.ledger.strike(undone.number, by_revision=self.revision)


def _staying(rules: Rules, staying: Iterable[tuple[str, str]]) -> list[Override]:
    wanted = [(scope, former, law.said(rules, scope, ACTIVE)) for scope, former in staying]
    return [Override(scope, ACTIVE, former, was, "waiting") for scope, former, was in wanted if was is not None]


def _colours(rules: Rules) -> dict[str, str]:
    colours = {}
    for service in rules.services.values():
        scopes = [
            (service.name, service.blue_green),
            *((f"{service.name}/{r.name}", r.blue_green) for r in service.routes),
        ]
        colours.update({scope: blue_green.active for scope, blue_green in scopes if blue_green is not None})
    return colours


def _service(rules: Rules, scope: str) -> Service:
    name = scope.partition("/")[0]
    service = rules.services.get(name)
    if service is None:
        raise NotFound(f"there is no service {name}")
    return service


def _moves(before: tuple[Override, ...], after: tuple[Override, ...]) -> tuple[Move, ...]:
    old = {override.key: override for override in before}
    new = {override.key: override for override in after}
    keys = dict.fromkeys([*old, *new])
    return tuple(
        Move(scope=key[0], field=key[1], before=old.get(key), after=new.get(key))
        for key in keys
        if old.get(key) != new.get(key)
    )


def _touched(before: Rules, after: Rules, moves: tuple[Move, ...]) -> tuple[str, ...]:
    names = before.services.keys() | after.services.keys()
    changed = {name for name in names if before.services.get(name) != after.services.get(name)}
    return tuple(sorted(changed | {move.scope.partition("/")[0] for move in moves if move.scope != EVERYWHERE}))


def _kind(change: Change) -> Kind:
    match change:
        case Load() | LoadFlags() | Arrived():
            return "file"
        case Set(origin="rollout"):
            return "rollout"
        case Undo():
            return "note"
        case _:
            return "verb"


def _is_file(latest: tuple[Entry, ...]) -> bool:
    return bool(latest) and latest[0].kind == "file"
