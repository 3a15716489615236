"""Precedence: the API tells a change at once, the mount a minute later; the slower never reverts the faster."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from proxy.config import Source
from proxy.errors import Invalid

REMEMBERED = 32


class Superseded(Invalid):
    """The mount shows what the API server has replaced already: nothing to do, nothing to report."""


class Precedence:
    """What the API server has told, asked by whoever reads the mount, in whichever thread."""

    def __init__(self) -> None:
        self._superseded: tuple[bytes, ...] = ()
        self._current: bytes | None = None
        self.is_followed = False
        """Whether the API server is heard just now: then it alone says what holds."""

    def told(self, sources: Iterable[Source]) -> None:
        """The API server says that this holds now."""
        digest = digest_of(sources)
        if self._current not in (None, digest):
            self._superseded = (*self._superseded, *filter(None, (self._current,)))[-REMEMBERED:]
        self._superseded = tuple(each for each in self._superseded if each != digest)
        self._current = digest

    def is_stale(self, sources: Iterable[Source]) -> bool:
        """Whether the mount's content must be ignored.

        While the API server is heard, everything else is; while it is away, what it once replaced. What it never
        told is not stale then: the mount is all there is.
        """
        if self._current is None:
            return False
        digest = digest_of(sources)
        return digest in self._superseded or (self.is_followed and digest != self._current)


def digest_of(sources: Iterable[Source]) -> bytes:
    """One digest for the same keys with the same content, whether mounted or told."""
    digest = blake2b(digest_size=16)
    for name, content in sorted((_key(each.name), each.content) for each in sources):
        for part in (name.encode(), content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _key(name: str) -> str:
    """The key of the ConfigMap: the last part of the path where it is mounted, and of a told source's name."""
    return name.rpartition("/")[2]
