"""Values: a tree in long form into the model's frozen values, every misfit reported in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from proxy.config.faults import Path, meant, shown
from proxy.config.tree import Node, Report

T = TypeVar("T")


class Said(NamedTuple):
    """A misfit in plain words."""

    wrong: str
    cure: str


def validated(
    adapter: TypeAdapter[T], node: Mapping[str, Node] | list[Node], path: Path, report: Report, *, first: int = 0
) -> T | None:
    """The value, or None with every reason reported; `first` is the place of a list's first item in a longer one."""
    try:
        return adapter.validate_python(node)
    except ValidationError as error:
        for misfit in error.errors(include_url=False):
            where = _written(node, misfit)
            if where and isinstance(where[0], int):
                where = (where[0] + first, *where[1:])
            report.add((*path, *where), *_said(misfit))
    return None


def _written(node: object, misfit: ErrorDetails) -> Path:
    """The misfit's path without the names of union members, which nobody wrote."""
    if misfit["type"] == "missing":
        return misfit["loc"]
    written: list[str | int] = []
    for step in misfit["loc"]:
        if isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and isinstance(step, int):
            node = node[int(step)]
        else:
            break
        written.append(step)
    return tuple(written)


def _said(misfit: ErrorDetails) -> Said:
    kind, given = misfit["type"], shown(misfit["input"])
    if kind == "value_error":
        wrong, _, cure = str(misfit["ctx"]["error"]).partition("; ")
        return Said(wrong, cure or "give it another value")
    if kind == "literal_error":
        return _choice(given, misfit["ctx"]["expected"])
    if kind == "missing":
        return Said("is missing", "add it")
    for ending, said in _WORDS.items():
        if kind.startswith(ending):
            return Said(said.wrong.format(given=given), said.cure)
    return Said(f"{given}: {misfit['msg'][:1].lower()}{misfit['msg'][1:]}", "give it another value")


def _choice(given: str, expected: str) -> Said:
    choices = [each.strip("'") for each in expected.replace(" or ", ", ").split(", ")]
    return Said(f"{given} is not possible here", meant(given, choices, what="use one of"))


_WORDS = {
    "dataclass": Said("{given} is not a mapping", "write its keys below it, or as {key: value}"),
    "dict": Said("{given} is not a mapping", "write its keys below it, or as {key: value}"),
    "string": Said("{given} is not a text", "give it a single value"),
    "int": Said("{given} is not a whole number", "write digits only"),
    "float": Said("{given} is not a number", "write it in digits, such as 80 or 0.5"),
    "bool": Said("{given} is neither true nor false", "write true or false"),
}
