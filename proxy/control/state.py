"""What outlives the process: named sections, saved whole or not at all.

A document is a few named JSON sections under one token. Whoever saves names the token that he loaded
(compare and swap), so two writers cannot overwrite each other unseen. The file implementation is the
embedded default; a Kubernetes object with its resourceVersion as the token fits the same interface.

Every line of the file carries its own checksum and the first one names the sections, so that of a
damaged file all that is whole is kept, and what is lost can be named.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from proxy.errors import Conflict

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

KEPT = "kept"
"""Revision, overrides and the colours in force."""
ROLLOUTS = "rollouts"
"""The rollouts' own section; the store passes it through unread."""
LEDGER = "ledger"
"""Last, because it is the longest and its loss moves no traffic."""

FORMAT = 1
SET_ASIDE = 5
"""So many damaged files are kept; the oldest goes first."""
WATCH_SECONDS = 1.0
_CHECKSUM_LETTERS = 16


class Loaded(NamedTuple):
    """A document as it was found."""

    sections: Mapping[str, Json]
    token: str
    """Names this very content; "" when there is none yet."""
    lost: tuple[str, ...] = ()
    """What could not be read, in words for people; empty when all is well."""


class StateStore(Protocol):
    """Where state lives. Implementations never raise for damaged content: they report it as lost."""

    async def load(self) -> Loaded:
        """The present document, or an empty one."""
        ...

    async def save(self, sections: Mapping[str, Json], token: str) -> str:
        """Replace the document if its token is still `token`, durably, and return the new token.

        Raises Conflict when somebody else has written since, OSError when it cannot be written.
        """
        ...

    def watch(self, token: str) -> AsyncIterator[Loaded]:
        """Each document that somebody wrote and that differs from the one named by `token`."""
        ...


def encode(sections: Mapping[str, Json]) -> bytes:
    """The document as lines: a head that names the sections, one line for each, and an end."""
    head: Json = {"format": FORMAT, "sections": list(sections)}
    return b"".join(_line(value) for value in [head, *sections.values(), "end"])


def decode(content: bytes) -> tuple[dict[str, Json], tuple[str, ...]]:
    """The sections that are whole, and the names of those that are lost."""
    lines = content.split(b"\n")
    is_whole, head = _value(lines[0])
    names = head.get("sections") if is_whole and isinstance(head, dict) and head.get("format") == FORMAT else None
    if not isinstance(names, list) or len(lines) < 2:
        return {}, ("everything",)
    sections: dict[str, Json] = {}
    lost = []
    for number, name in enumerate(names, start=1):
        is_whole, value = _value(lines[number]) if number < len(lines) - 1 else (False, None)
        if is_whole:
            sections[str(name)] = value
        else:
            lost.append(str(name))
    end = len(names) + 1
    if not lost and lines[end:] != [_line("end").rstrip(b"\n"), b""]:
        lost.append("nothing but the end mark")
    return sections, tuple(lost)


class MemoryState:
    """State that ends with the process; the same interface, for `state: ""`."""

    def __init__(self) -> None:
        self._content = b""
        self._written = asyncio.Event()

    async def load(self) -> Loaded:
        if not self._content:
            return Loaded({}, "")
        sections, lost = decode(self._content)
        return Loaded(sections, _token(self._content), lost)

    async def save(self, sections: Mapping[str, Json], token: str) -> str:
        if token != _token(self._content):
            raise Conflict("somebody else has written the state since it was loaded")
        self._content = encode(sections)
        self._written.set()
        self._written = asyncio.Event()
        return _token(self._content)

    async def watch(self, token: str) -> AsyncIterator[Loaded]:
        while True:
            written = self._written
            loaded = await self.load()
            if loaded.token != token:
                token = loaded.token
                yield loaded
            await written.wait()


class FileState:
    """State in one file, replaced as a whole; at every instant the disk holds the old or the new one."""

    def __init__(self, path: str | Path, *, watch_seconds: float = WATCH_SECONDS) -> None:
        self.path = Path(path)
        self._watch_seconds = watch_seconds

    async def load(self) -> Loaded:
        return await asyncio.to_thread(self._load)

    async def save(self, sections: Mapping[str, Json], token: str) -> str:
        return await asyncio.to_thread(self._save, sections, token)

    async def watch(self, token: str) -> AsyncIterator[Loaded]:
        while True:
            loaded = await self.load()
            if loaded.token != token:
                token = loaded.token
                yield loaded
            await asyncio.sleep(self._watch_seconds)

    def _load(self) -> Loaded:
        try:
            with self._locked():
                content = self._read()
                if content is None:
                    return Loaded({}, "")
                sections, lost = decode(content)
                if not lost:
                    return Loaded(sections, _token(content))
                aside = self._set_aside()
                token = self._write(encode(sections)) if sections else ""
        except OSError as error:
            return Loaded({}, "", (f"everything: {error}",))
        return Loaded(sections, token, (*lost, f"the damaged file is kept as {aside}"))

    def _save(self, sections: Mapping[str, Json], token: str) -> str:
        with self._locked():
            content = self._read()
            if token != _token(content or b""):
                raise Conflict(f"somebody else has written {self.path} since it was loaded")
            return self._write(encode(sections))

    def _read(self) -> bytes | None:
        with suppress(FileNotFoundError):
            return self.path.read_bytes()
        return None

    def _write(self, content: bytes) -> str:
        draft = self.path.with_name(f".{self.path.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.path)
        self._sync_directory()
        return _token(content)

    def _sync_directory(self) -> None:
        # A rename is durable only once its directory is: fsync(2), "Calling fsync() does not necessarily
        # ensure that the entry in the directory containing the file has also reached disk".
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _set_aside(self) -> Path:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns():020d}")
        os.replace(self.path, aside)
        for old in sorted(self.path.parent.glob(f"{self.path.name}.corrupt-*"))[:-SET_ASIDE]:
            old.unlink()
        return aside

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time between comparing and swapping."""
        lock = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _line(value: Json) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode()
    return b"%s %s\n" % (_checksum(text), text)


def _value(line: bytes) -> tuple[bool, Json]:
    checksum, _, text = line.partition(b" ")
    if checksum != _checksum(text):
        return False, None
    return True, json.loads(text)


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:_CHECKSUM_LETTERS].encode()


def _token(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""
