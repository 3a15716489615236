"""The check: what is wrong with files before anybody depends on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from proxy.config.faults import Faults
from proxy.config.files import Source, read
from proxy.config.rules import rules
from proxy.config.settings import is_settings, settings


def check(paths: Sequence[str | Path]) -> list[str]:
    """Every fault of each file or directory in words; what are settings is seen from the keys, else from the name."""
    return [str(fault) for path in paths for fault in _broken(Path(path))]


def _broken(path: Path) -> Sequence[object]:
    try:
        _read(read(path))
    except Faults as broken:
        return broken.faults
    return ()


def _read(sources: tuple[Source, ...]) -> None:
    if len(sources) == 1 and is_settings(sources[0]):
        settings(sources[0], {}, {})
    else:
        rules(sources)
