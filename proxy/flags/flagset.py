"""A flag set: all flags of one revision, and the one function that decides them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from proxy.errors import Invalid
from proxy.flags.bucketing import Version
from proxy.flags.document import DocumentMetadata, compile_document
from proxy.flags.fault import BrokenFlags, Faults, FlagFault
from proxy.flags.flag import Context, Decision, Flag, Metadata, failed
from proxy.flags.pin import pinned
from proxy.flags.plain import plain_flag

REMEMBERED_REVISIONS = 4


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain flag as it was read."""

    key: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Document:
    """A flagd document as it was read."""

    source: str
    tree: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that a flag set is made of, as plain values: they travel to the workers as they are.

    `overrides` are texts by flag: what `shunt flag set` and rollouts put on top.
    """

    bucketing: Version = "v3"
    plain: tuple[Plain, ...] = ()
    documents: tuple[Document, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()

    @property
    def revision(self) -> str:
        """A name for exactly this content: the same on every replica and after every restart."""
        content = [
            self.bucketing,
            sorted((flag.key, flag.text.strip()) for flag in self.plain),
            sorted(json.dumps(document.tree, sort_keys=True) for document in self.documents),
            sorted(self.overrides),
        ]
        return sha256(json.dumps(content).encode()).hexdigest()[:12]

    def overridden(self, overrides: Mapping[str, str]) -> Sources:
        """The same with these overrides and no others."""
        return replace(self, overrides=tuple(sorted(overrides.items())))

    def said(self, key: str) -> str | None:
        """What the sources say of a flag, as one comparable text; None if they do not know it.

        An override holds for as long as this stays the same.
        """
        for flag in self.plain:
            if flag.key == key:
                return flag.text.strip()
        for document in self.documents:
            flags = document.tree.get("flags") if isinstance(document.tree, dict) else None
            if isinstance(flags, dict) and key in flags:
                return sha256(json.dumps(flags[key], sort_keys=True).encode()).hexdigest()
        return None


NO_FLAGS = Sources()


class FlagSet:
    """The flags of one revision. Never changed; a change makes a new one."""

    __slots__ = ("flags", "metadata", "revision", "sources", "void")

    def __init__(
        self, flags: Mapping[str, Flag], sources: Sources, metadata: Metadata, void: tuple[str, ...] = ()
    ) -> None:
        self.flags = flags
        self.sources = sources
        self.revision = sources.revision
        self.metadata = metadata
        """What the documents say of the set as a whole."""
        self.void = void
        """Overrides that fit no flag any more, each with the reason."""


def assign(revision: FlagSet, flag: str, context: Context) -> Decision:
    """What a flag is for a context at a revision: route, header and application all ask here. Never raises."""
    found = revision.flags.get(flag)
    return found.decide(context) if found is not None else failed("FLAG_NOT_FOUND", f"there is no flag {flag!r}")


class History:
    """The last few revisions: who was routed by one of them is still answered by the same."""

    def __init__(self, current: FlagSet) -> None:
        self._sets: OrderedDict[str, FlagSet] = OrderedDict({current.revision: current})

    @property
    def current(self) -> FlagSet:
        """The flag set in force."""
        return next(reversed(self._sets.values()))

    @property
    def remembered(self) -> tuple[FlagSet, ...]:
        """Every flag set that can be asked, the one in force last."""
        return tuple(self._sets.values())

    def use(self, flags: FlagSet) -> None:
        """Put a flag set in force; those before it stay answerable, four in all."""
        self._sets[flags.revision] = flags
        self._sets.move_to_end(flags.revision)
        while len(self._sets) > REMEMBERED_REVISIONS:
            self._sets.popitem(last=False)

    def at(self, revision: str | None) -> FlagSet:
        """The flag set of that revision; the one in force if it is None or forgotten."""
        return self._sets.get(revision or "", self.current)


# --- compiling ----------------------------------------------------------------------------


def compiled(sources: Sources) -> FlagSet:
    """The flag set of the sources; BrokenFlags names every fault."""
    steps = compiling(sources)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            flags: FlagSet = done.value
            return flags


def compiling(sources: Sources) -> Generator[None, None, FlagSet]:
    """Compile flag by flag, so that an event loop can breathe: `flags = yield from compiling(sources)`."""
    flags: dict[str, Flag] = {}
    faults: list[FlagFault] = []
    metadata: dict[str, bool | float | str] = {}
    for item in _each(sources, faults):
        if isinstance(item, DocumentMetadata):
            metadata.update(item.metadata)
        elif item.key in flags:
            faults.append(FlagFault(item.source, (item.key,), f"also defined in {flags[item.key].source}"))
        else:
            flags[item.key] = item
        yield
    if faults:
        raise BrokenFlags(faults)
    void = _override(flags, sources)
    return FlagSet(flags, sources, metadata, void)


def _each(sources: Sources, faults: list[FlagFault]) -> Iterable[Flag | DocumentMetadata]:
    for plain in sources.plain:
        try:
            yield plain_flag(plain.key, plain.text, sources.bucketing, plain.source)
        except ValueError as fault:
            faults.append(FlagFault(plain.source, (plain.key,), str(fault)))
    for document in sources.documents:
        found = Faults(document.source)
        yield from compile_document(document.tree, sources.bucketing, found)
        faults.extend(found.found)


def _override(flags: dict[str, Flag], sources: Sources) -> tuple[str, ...]:
    void = []
    for key, text in sources.overrides:
        if key not in flags:
            void.append(f"{key}: there is no such flag any more")
            continue
        try:
            flags[key] = pinned(flags[key], text, sources.bucketing)
        except Invalid as fault:
            void.append(str(fault))
    return tuple(void)
