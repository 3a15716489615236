"""The reader: YAML's events into a tree that knows its lines, within bounds that no file can break."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from proxy.config.faults import Fault, dotted
from proxy.config.files import Source
from proxy.config.tree import Branch, Items, Node

MAX_DEPTH = 64
MAX_COPIED = 200_000
"""How many parts aliases may repeat in one file: no billion laughs."""

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_MERGE = "<<"
_TAGS = frozenset(("str", "int", "float", "bool", "null", "map", "seq"))


class Unreadable(Exception):
    """The rest of the file makes no sense; the fault is noted."""


class _Frame:
    """A container that is still open."""

    __slots__ = ("anchor", "container", "is_ignored", "key", "line", "merged")

    def __init__(self, container: Branch | Items, anchor: str | None) -> None:
        self.container = container
        self.anchor = anchor
        self.key: str | None = None
        self.line = 0
        self.is_ignored = False
        """The key stood there before: its value is not taken."""
        self.merged: list[Node] = []


def parse(source: Source, faults: list[Fault]) -> Branch | None:
    """The file's tree, None for an empty file or one that cannot be read; what is wrong is added to `faults`."""
    reader = _Reader(source.name, faults)
    try:
        return reader.read(_decoded(source, faults))
    except yaml.YAMLError as error:
        faults.append(_syntax(source.name, error))
    except Unreadable:
        pass
    return None


def _decoded(source: Source, faults: list[Fault]) -> str:
    try:
        return source.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.content.count(b"\n", 0, error.start) + 1
        faults.append(Fault(source.name, line, "", "is not UTF-8", "save the file as UTF-8"))
        raise Unreadable from error


def _syntax(file: str, error: yaml.YAMLError) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        wrong = f"{error.context}: {error.problem}" if error.context else str(error.problem)
        cure = "indent with spaces, not tabs" if "cannot start any token" in wrong else "see the lines just above"
        return Fault(file, mark.line + 1 if mark else 1, "", f"is not YAML: {wrong}", cure)
    reason = getattr(error, "reason", "") or str(error)
    return Fault(file, 1, "", f"is not YAML: {reason}", "take the character out, or write it as an escape in quotes")


def _parser(text: str) -> Callable[[], yaml.Event]:
    """The next event, by libyaml where PyYAML was built with it, which is forty times faster."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    get_event: Callable[[], yaml.Event] = loader(text).get_event
    return get_event


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


class _Reader:
    def __init__(self, file: str, faults: list[Fault]) -> None:
        self._file = file
        self._faults = faults
        self._open: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._copied = 0
        self._documents = 0
        self._root: Node = None

    def read(self, text: str) -> Branch | None:
        on: dict[type[yaml.Event], Callable[..., None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._mapping,
            yaml.SequenceStartEvent: self._sequence,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        next_event = _parser(text)
        while type(event := next_event()) is not yaml.StreamEndEvent:
            handle = on.get(type(event))
            if handle is not None:
                handle(event)
        if self._root is None or isinstance(self._root, Branch):
            return self._root
        raise self._unreadable(1, "is not a mapping", "write `key: value` lines")

    # --- events ----------------------------------------------------------------------------

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            line = _line(event)
            raise self._unreadable(line, "has a second document", "put it into a file of its own")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        line = _line(event)
        is_plain, _ = event.implicit
        if event.tag:
            self._check_tag(event.tag, line)
        frame = self._open[-1] if self._open else None
        value: str | None = event.value
        if frame is not None and frame.key is None and type(frame.container) is Branch:
            if event.anchor:
                self._anchors[event.anchor] = value
            self._key(frame, event.value, line, is_merge=is_plain and value == _MERGE)
            return
        if is_plain and value in _NULLS:
            value = None
        if event.anchor:
            self._anchors[event.anchor] = value
        self._put(value, line)

    def _mapping(self, event: yaml.MappingStartEvent) -> None:
        self._start(Branch(_line(event)), event)

    def _sequence(self, event: yaml.SequenceStartEvent) -> None:
        self._start(Items(_line(event)), event)

    def _start(self, container: Branch | Items, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if event.tag:
            self._check_tag(event.tag, container.line)
        if self._open and self._open[-1].key is None and type(self._open[-1].container) is Branch:
            raise self._unreadable(container.line, "has a list or mapping as a key", "a key is a text")
        if len(self._open) >= MAX_DEPTH:
            raise self._unreadable(container.line, f"is nested more than {MAX_DEPTH} deep", "make it flatter")
        if event.anchor:
            # Until it is complete nothing may refer to it, not even an older namesake.
            self._anchors.pop(event.anchor, None)
        self._open.append(_Frame(container, event.anchor))

    def _end(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        frame = self._open.pop()
        container = frame.container
        if frame.merged and isinstance(container, Branch):
            self._merge(container, frame.merged)
        if frame.anchor:
            self._anchors[frame.anchor] = container
        self._put(container, container.line)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line = _line(event)
        if event.anchor not in self._anchors:
            raise self._unreadable(line, f"refers to *{event.anchor}", f"mark what it means with &{event.anchor} above")
        value = self._copy(self._anchors[event.anchor], line)
        frame = self._open[-1]
        if frame.key is not None or type(frame.container) is Items:
            self._put(value, line)
        elif isinstance(value, str):
            self._key(frame, value, line, is_merge=False)
        else:
            raise self._unreadable(line, "has a list or mapping as a key", "a key is a text")

    # --- building --------------------------------------------------------------------------

    def _key(self, frame: _Frame, key: str, line: int, *, is_merge: bool) -> None:
        container = frame.container
        if not isinstance(container, Branch):
            return
        frame.key = key
        frame.line = line
        frame.is_ignored = key in container and not is_merge
        if is_merge:
            frame.merged.append(None)
        elif not key:
            self._fault(line, "has an empty key", "give it a name")
            frame.is_ignored = True
        elif frame.is_ignored:
            self._fault(line, f"{key!r} stands here again, first in line {container.lines[key]}", "keep one of them")

    def _put(self, value: Node, line: int) -> None:
        if not self._open:
            self._root = value
            return
        frame = self._open[-1]
        container = frame.container
        if type(container) is Items:
            container.put(value, line)
            return
        key = frame.key
        if frame.merged and frame.merged[-1] is None and key == _MERGE:
            frame.merged[-1] = value if value is not None else ""
        elif isinstance(container, Branch) and key is not None and not frame.is_ignored:
            container[key] = value
            container.lines[key] = frame.line
        frame.key = None

    def _merge(self, container: Branch, merged: list[Node]) -> None:
        for value in merged:
            for base in value if isinstance(value, Items) else (value,):
                if not isinstance(base, Branch):
                    self._fault(container.line, "<< merges something that is no mapping", "give it a mapping's alias")
                    continue
                for key, inherited in base.items():
                    if key not in container:
                        container.put(key, inherited, base.lines[key])

    def _copy(self, value: Node, line: int) -> Node:
        self._copied += 1
        if self._copied > MAX_COPIED:
            raise self._unreadable(line, f"repeats more than {MAX_COPIED} values by aliases", "write fewer aliases")
        if isinstance(value, Branch):
            copied = Branch(value.line)
            for key, inner in value.items():
                copied.put(key, self._copy(inner, line), value.lines[key])
            return copied
        if isinstance(value, Items):
            repeated = Items(value.line)
            for inner, where in zip(value, value.lines, strict=True):
                repeated.put(self._copy(inner, line), where)
            return repeated
        return value

    # --- faults ----------------------------------------------------------------------------

    def _check_tag(self, tag: str, line: int) -> None:
        if tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            self._fault(line, f"the tag {tag} means nothing here", "take it out")

    def _path(self) -> str:
        steps = (len(each.container) if type(each.container) is Items else each.key for each in self._open)
        return dotted(tuple(step for step in steps if step is not None))

    def _fault(self, line: int, wrong: str, cure: str) -> None:
        self._faults.append(Fault(self._file, line, self._path(), wrong, cure))

    def _unreadable(self, line: int, wrong: str, cure: str) -> Unreadable:
        self._fault(line, wrong, cure)
        return Unreadable(wrong)
