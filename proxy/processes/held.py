"""Held memory: what the supervisor keeps for the brain, so that a crash of the brain loses nothing.

An anonymous file of two halves, written in turn: a writer killed in the middle of one leaves the other whole.
"""

from __future__ import annotations

import os
import struct
import zlib

from proxy import __version__

_HEAD = struct.Struct("<QQI")
"""Number of the writing, length, checksum."""
_HALF_BYTES = 1 << 32
"""Only what is written takes memory; the rest is a hole."""


_RELEASE = __version__.encode()


def make_memory(name: str) -> int:
    """The descriptor of an empty held memory; it survives exec and ends with its last holder."""
    return os.memfd_create(f"shunt-{name}", 0)


class HeldMemory:
    """One value as bytes, replaced whole or not at all."""

    __slots__ = ("_descriptor", "_number")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._number = max((number for number, _ in self._halves()), default=0)

    def read(self) -> bytes:
        """What was last written whole; b"" when there is nothing."""
        return max(self._halves(), default=(0, b""))[1]

    def write(self, content: bytes) -> None:
        """Replace the value; OSError when there is no memory for it."""
        number = self._number + 1
        offset = number % 2 * _HALF_BYTES
        os.pwrite(self._descriptor, bytes(_HEAD.size), offset)
        written = 0
        while written < len(content):
            written += os.pwrite(self._descriptor, content[written:], offset + _HEAD.size + written)
        os.pwrite(self._descriptor, _HEAD.pack(number, len(content), zlib.crc32(content)), offset)
        self._number = number

    def _halves(self) -> list[tuple[int, bytes]]:
        found = []
        for offset in (0, _HALF_BYTES):
            head = os.pread(self._descriptor, _HEAD.size, offset)
            if len(head) < _HEAD.size:
                continue
            number, length, checksum = _HEAD.unpack(head)
            content = self._read_exactly(offset + _HEAD.size, length) if number else b""
            if number and len(content) == length and zlib.crc32(content) == checksum:
                found.append((number, content))
        return found

    def _read_exactly(self, offset: int, length: int) -> bytes:
        pieces = []
        while length > 0 and (piece := os.pread(self._descriptor, length, offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)


class ReleaseMemory(HeldMemory):
    """A held memory for values in this release's own form: what another release wrote counts as nothing."""

    __slots__ = ()

    def read(self) -> bytes:
        """What this release last wrote whole; b"" when there is nothing."""
        release, _, content = super().read().partition(b"\n")
        return content if release == _RELEASE else b""

    def write(self, content: bytes) -> None:
        """Replace the value; OSError when there is no memory for it."""
        super().write(_RELEASE + b"\n" + content)
