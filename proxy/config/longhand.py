"""Longhand: every short form written out, by what the place it stands in wants."""

from __future__ import annotations

from proxy.config.faults import Path, meant
from proxy.config.shape import MAY_BE_EMPTY, NEVER_EMPTY, Shape
from proxy.config.tree import Branch, Items, Node, Report


def written_out(node: Node, shape: Shape, path: Path, report: Report, line: int) -> Node:
    """The node in its long form; unknown keys and missing values are reported and taken out.

    A node that does not fit its shape comes back as it is, for validation to refuse.
    """
    if shape.kind == "list":
        return _list(node, shape, path, report, line)
    if shape.kind == "fields":
        return _fields(node, shape, path, report, line)
    if shape.kind == "names" and isinstance(node, Branch) and shape.item is not None:
        for key, value in list(node.items()):
            if value is None:
                report.add((*path, key), *_EMPTY)
                node.drop(key)
            elif shape.item.kind != "value":
                node[key] = written_out(value, shape.item, (*path, key), report, node.lines[key])
    elif shape.numbers and isinstance(node, str) and node.isdecimal():
        return int(node[:_LONGEST_NUMBER])
    return node


def _list(node: Node, shape: Shape, path: Path, report: Report, line: int) -> Node:
    """One where a list is wanted is a list of one."""
    if not isinstance(node, Items):
        single = Items(line)
        single.put(node, line)
        node = single
    if shape.item is not None:
        for index, item in enumerate(node):
            if item is None:
                report.add((*path, index), *_EMPTY)
                node[index] = ""
            elif shape.item.kind != "value":
                node[index] = written_out(item, shape.item, (*path, index), report, node.lines[index])
    return node


def _fields(node: Node, shape: Shape, path: Path, report: Report, line: int) -> Node:
    if not isinstance(node, Branch):
        if not shape.lead:
            return node
        whole = Branch(line)
        whole.put(shape.lead, node, line)
        node = whole
    known = shape.fields
    for key, value in list(node.items()):
        inner = known.get(key)
        if inner is None:
            report.add((*path, key), "unknown key", meant(key, known))
            node.drop(key)
        elif value is None:
            if shape.type not in MAY_BE_EMPTY or key in NEVER_EMPTY:
                report.add((*path, key), *_EMPTY)
            node.drop(key)
        elif inner.kind != "value" or inner.numbers:
            node[key] = written_out(value, inner, (*path, key), report, node.lines[key])
    return node


_EMPTY = ("has no value", "give it one, or take it out")
_LONGEST_NUMBER = 20
