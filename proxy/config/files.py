"""Files: what a path says at one moment, whether it is a file, a directory or a mounted ConfigMap."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from proxy.config.faults import Fault, Faults

KUBERNETES_DATA = "..data"
"""The link in a mounted ConfigMap that is swapped for a new one when the content changes."""

MAX_BYTES = 64 << 20


Listing = Callable[[Path], list[tuple[str, Path]]]
"""Which files a path stands for, each with the name that its user knows."""


class Source(NamedTuple):
    """The content of one file, under the name that its user knows."""

    name: str
    content: bytes


def listed(path: Path) -> list[tuple[str, Path]]:
    """The files of rules that `path` stands for; see `files_of`."""
    return files_of(path, is_rules_name)


def files_of(path: Path, is_meant: Callable[[str], bool]) -> list[tuple[str, Path]]:
    """The files that `path` stands for, each with the name for people; OSError if it cannot be read.

    Of a mounted ConfigMap all files come from behind one `..data`, so they are of one revision; a file that
    somebody put beside its links counts as in any directory.
    """
    if not path.is_dir():
        return [(str(path), path)]
    data = path / KUBERNETES_DATA
    base = data.resolve(strict=True) if data.is_symlink() else path
    found = {entry.name: entry for entry in base.iterdir() if is_meant(entry.name) and entry.is_file()}
    if base is not path:
        beside = (entry for entry in path.iterdir() if is_meant(entry.name) and not _is_link_to_data(entry))
        found |= {entry.name: entry for entry in beside if entry.is_file()}
    return [(str(path / name), found[name]) for name in sorted(found)]


def _is_link_to_data(entry: Path) -> bool:
    """Whether it is one of the links that a mounted ConfigMap shows its files by."""
    return entry.is_symlink() and entry.readlink().parts[:1] == (KUBERNETES_DATA,)


def is_rules_name(name: str) -> bool:
    """Whether a file of that name in the directory counts: `*.yaml`, not hidden."""
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def read(path: Path, listing: Listing = listed) -> tuple[Source, ...]:
    """Every file that `path` stands for; Faults if one cannot be read or there is none."""
    for _ in range(_SWAPS):
        try:
            return _read(path, listing)
        except FileNotFoundError as gone:
            missing = gone
        except OSError as error:
            raise Faults([Fault(str(error.filename or path), 0, "", f"cannot be read: {error.strerror}")]) from error
    raise Faults([Fault(str(missing.filename or path), 0, "", "is not there")]) from missing


def _read(path: Path, listing: Listing) -> tuple[Source, ...]:
    found = tuple(Source(name, _content(file)) for name, file in listing(path))
    if not found and listing is listed:
        raise Faults([Fault(str(path), 0, "", "has no *.yaml file", "put one there, or name another directory")])
    return found


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES >> 20} MiB", str(file))
    return content


_SWAPS = 3
"""A ConfigMap may be swapped between listing and reading; then what was listed is gone."""
