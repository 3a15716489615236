"""The environment: every setting as `SHUNT_…`, and a typing error in such a name is a fault too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from proxy.config.faults import Fault
from proxy.config.flags import ENVIRONMENT_PREFIX as FLAG_PREFIX
from proxy.config.shape import Shape, shape
from proxy.config.tree import Branch, Items, Node, Place, Report
from proxy.settings import Settings

PREFIX = "SHUNT_"
OTHERS = frozenset(("SHUNT_ADMIN_TOKEN", "SHUNT_OUTPUT", "SHUNT_CONFIG"))
"""Variables of the command line that are no settings."""

# Kubernetes hands every container the address of each Service; one named `shunt` gives SHUNT_SERVICE_HOST.
_OF_KUBERNETES = re.compile(
    r"SHUNT_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


class Written(NamedTuple):
    """A value that comes from outside of the file."""

    origin: str
    path: tuple[str, ...]
    value: str | list[str]


def variables() -> dict[str, tuple[str, ...]]:
    """The path of every setting, by the name of its variable."""
    return {PREFIX + "_".join(path).upper(): path for path, _ in _leaves(shape(Settings), ())}


def from_environment(environ: Mapping[str, str], faults: list[Fault]) -> list[Written]:
    """The settings in the environment; an empty variable counts as not set."""
    leaves = {PREFIX + "_".join(path).upper(): (path, leaf) for path, leaf in _leaves(shape(Settings), ())}
    found: list[Written] = []
    for name, value in environ.items():
        if name in leaves and value:
            path, leaf = leaves[name]
            listed = [each.strip() for each in value.split(",") if each.strip()]
            found.append(Written(f"environment {name}", path, listed if leaf.kind == "list" else value))
        elif name.startswith(PREFIX) and name not in leaves and name not in OTHERS:
            fault = _misspelt(name, list(leaves))
            if fault is not None:
                faults.append(fault)
    return found


def _leaves(of: Shape, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Shape]]:
    for key, inner in of.fields.items():
        if inner.kind == "fields":
            yield from _leaves(inner, (*path, key))
        else:
            yield (*path, key), inner


def _misspelt(name: str, known: list[str]) -> Fault | None:
    """The fault of a variable that looks like a setting; others belong to somebody else."""
    if _OF_KUBERNETES.fullmatch(name) or name.startswith(FLAG_PREFIX):
        return None
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    sections = {"_".join(each.split("_")[:2]) + "_" for each in known if each.count("_") > 1}
    if not close and not name.startswith(tuple(sections)):
        return None
    cure = f"did you mean {close[0]}?" if close else "take it out"
    return Fault("environment", 0, name, "there is no such setting", cure)


def overlay(root: Branch, written: Written, report: Report) -> None:
    """Put a value over what the file says."""
    *sections, key = written.path
    node = root
    for section in sections:
        inner = node.get(section)
        if not isinstance(inner, Branch):
            inner = Branch(0)
            node.put(section, inner, 0)
        node = inner
    node.put(key, _node(written.value), 0)
    report.origins[written.path] = Place(written.origin, 0)


def _node(value: str | list[str]) -> Node:
    if isinstance(value, str):
        return value
    listed = Items(0)
    for each in value:
        listed.put(each, 0)
    return listed
