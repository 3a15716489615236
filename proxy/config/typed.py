"""Typed YAML, for flagd documents: values have their types, keys are what is written: `on` is a word, not a truth."""

from __future__ import annotations

import re
from math import isfinite

import yaml

MAX_NODES = 200_000
"""Aliases that refer to aliases could grow without bound."""

_NULL = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")


class Malformed(ValueError):
    """A text that is no YAML; `line` counts from 1, 0 if it is not known."""

    def __init__(self, wrong: str, line: int = 0) -> None:
        super().__init__(wrong)
        self.line = line


def typed(text: str) -> object:
    """Dicts, lists, texts, numbers, booleans and None by YAML 1.2's core schema; Malformed says where it is broken."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        return None if node is None else _Builder().build(node)
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        raise Malformed(f"is not YAML: {broken.problem or broken.context}", mark.line + 1 if mark else 0) from broken
    except (yaml.YAMLError, RecursionError) as broken:
        raise Malformed(f"is not YAML: {broken}") from broken


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line, from 1, of what stands at the path, or of the last step that exists; 0 if there is none."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError):
        return 0
    line = 0
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


class _Builder:
    def __init__(self) -> None:
        self.nodes = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES or id(node) in self.open:
            raise Malformed("is not a tree: its aliases grow without bound", node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.style else _scalar(node.value)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item) for item in node.value]
            return self._mapping(node)
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.Node) -> dict[str, object]:
        built: dict[str, object] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise Malformed("a key must be a text", line)
            if key.value in built:
                raise Malformed(f"the key {key.value!r} is there twice", line)
            built[key.value] = self.build(value)
        return built


def _scalar(written: str) -> object:
    if written in _NULL:
        return None
    if written in _BOOLEANS:
        return _BOOLEANS[written]
    if _INTEGER.fullmatch(written):
        return int(written)
    is_number = _FLOAT.fullmatch(written) and isfinite(float(written))
    return float(written) if is_number else written
