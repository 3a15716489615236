"""The settings: file, then environment, then command line; the later wins, and every fault is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath

from pydantic import TypeAdapter

from proxy.config.checks.settings import check_settings
from proxy.config.environment import Written, from_environment, overlay
from proxy.config.faults import Fault, Faults
from proxy.config.files import Source, read
from proxy.config.longhand import written_out
from proxy.config.reader import parse
from proxy.config.shape import shape
from proxy.config.tree import Branch, Report
from proxy.config.values import validated
from proxy.settings import Settings

Override = str | int | float | Sequence[str] | None
"""A value of the command line; None: not given."""

_SETTINGS = TypeAdapter(Settings)


def load_settings(
    path: str | FilePath | None, environ: Mapping[str, str], overrides: Mapping[str, Override] | None = None
) -> Settings:
    """The settings, or Faults with all that is wrong.

    `overrides` are keyed by dotted path (`listen`, `log.level`); without a file the defaults stand below.
    """
    source = None
    if path is not None:
        if FilePath(path).is_dir():
            raise Faults([Fault(str(path), 0, "", "is a directory", "name the file with the settings")])
        source = read(FilePath(path))[0]
    return settings(source, environ, overrides or {})


def settings(source: Source | None, environ: Mapping[str, str], overrides: Mapping[str, Override]) -> Settings:
    """The settings of one file's content under the environment and the command line."""
    faults: list[Fault] = []
    root = (parse(source, faults) if source is not None else None) or Branch()
    root.file = source.name if source is not None else "settings"
    report = Report(root)
    for written in (*from_environment(environ, faults), *_from_command_line(overrides)):
        overlay(root, written, report)
    written_out(root, shape(Settings), (), report, 1)
    found = validated(_SETTINGS, root, (), report)
    check_settings(root, report)
    faults += report.faults
    if faults or found is None:
        raise Faults(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return found


def _from_command_line(overrides: Mapping[str, Override]) -> list[Written]:
    found: list[Written] = []
    for key, value in overrides.items():
        if value is not None:
            path = tuple(key.split("."))
            text = str(value) if isinstance(value, (str, int, float)) else list(value)
            found.append(Written("command line", path, text))
    return found


def is_settings(source: Source) -> bool:
    """Whether a file is meant as settings: by its top-level keys, and where these say nothing by its name."""
    tree = parse(source, [])
    keys = set(tree or ())
    if "services" in keys:
        return False
    return bool(keys & set(shape(Settings).fields)) or FilePath(source.name).stem in ("shunt", "settings")
