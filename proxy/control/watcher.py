"""The watcher: what a path says now, told once it has changed and whoever writes it has finished.

It looks at inode, size and times a few times a second, which works on every file system and for every way
of writing: in place, renamed over, or a ConfigMap's `..data` swapped. All looking, reading and parsing happens
in a thread, so a slow disk or a long file never stalls the loop.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from typing import Generic, TypeVar

from proxy import config
from proxy.config import Faults, Source
from proxy.config.files import Listing, listed, read
from proxy.errors import Invalid
from proxy.rules import Rules

T = TypeVar("T")

Sources = tuple[Source, ...]
Parse = Callable[[Sources], T]
Signature = tuple[tuple[str, int, int, int, int, int], ...]

LOOK_SECONDS = 0.25
SETTLE_SECONDS = 0.1
"""A file that has changed must stay as it is for so long before it is read: its writer may not be done."""

FRESH_SECONDS = 3.0
"""Within one tick of a coarse file system clock a file can change without looking changed; so long it is read again."""

_OCTAL = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


class Watcher(Generic[T]):
    """Tells `take` what the path says whenever that is new: a value, or why there is none.

    `take` is awaited one call after the other and must not raise. `run` belongs to a TaskGroup and ends by
    cancellation. What was told last is not told again, unless `reload` asks for it.
    """

    def __init__(
        self,
        path: Path,
        parse: Parse[T],
        take: Callable[[T | Invalid], Awaitable[None]],
        *,
        listing: Listing = listed,
        look_seconds: float = LOOK_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.path = path
        self._parse = parse
        self._take = take
        self._listing = listing
        self._look_seconds = look_seconds
        self._settle_seconds = settle_seconds
        self._nudge = asyncio.Event()
        self._is_forced = False
        self._seen: Signature | None = None
        """How the files looked when they were read last."""
        self._settling: Signature | None = None
        """How they look now, if they must stay so for a while yet."""
        self._told: object = None
        """The digest of what was read last."""

    async def first(self) -> T:
        """What the path says at the start, at once; Invalid with every fault. `run` then tells only what is newer."""
        found = await asyncio.to_thread(self._read)
        value = await self._parsed(found)
        if isinstance(value, Invalid):
            raise value
        return value

    async def run(self) -> None:
        """Look for as long as the control plane lives."""
        while True:
            found = await asyncio.to_thread(self._look)
            if found is not None:
                await self._take(await self._parsed(found))
            await self._wait()

    def reload(self) -> None:
        """Read and tell at once, changed or not."""
        self._is_forced = True
        self._nudge.set()

    async def warnings(self) -> list[str]:
        """Why changes of the path may never be seen, in words for people."""
        return await asyncio.to_thread(mounted_alone, self.path, self._listing)

    async def _wait(self) -> None:
        seconds = self._look_seconds if self._settling is None else self._settle_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._nudge.wait()
        except TimeoutError:
            return
        self._nudge.clear()

    async def _parsed(self, found: Sources | Faults) -> T | Invalid:
        if isinstance(found, Faults):
            return found
        try:
            return await asyncio.to_thread(_uncollected, self._parse, found)
        except Invalid as faults:
            return faults

    # --- in a thread -----------------------------------------------------------------------

    def _look(self) -> Sources | Faults | None:
        """What is new and settled, or None."""
        if self._is_forced:
            self._is_forced = False
            return self._read()
        now = signature(self.path, self._listing)
        if now != self._seen:
            if now != self._settling:
                self._settling = now
                return None
        elif not _is_fresh(now):
            self._settling = None
            return None
        told = self._told
        found = self._read()
        return found if self._settling is None and self._told != told else None

    def _read(self) -> Sources | Faults:
        """Read, and note what was read; what changed meanwhile has still to settle."""
        before = signature(self.path, self._listing)
        try:
            found: Sources | Faults = read(self.path, self._listing)
        except Faults as faults:
            found = faults
        after = signature(self.path, self._listing)
        self._settling = None if before == after else after
        if before == after:
            self._seen = before
            self._told = _digest(found)
        return found


def _uncollected(parse: Parse[T], found: Sources) -> T:
    """Parse without the cycle collector: a tree has no cycles, and to look for them stalls every thread."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return parse(found)
    finally:
        if was_enabled:
            gc.enable()


def watch_rules(
    path: Path, take: Callable[[Rules | Invalid], Awaitable[None]], parse: Parse[Rules] = config.rules
) -> Watcher[Rules]:
    """A watcher of the rules, a file or a directory of `*.yaml`."""
    return Watcher(path, parse, take)


def signature(path: Path, listing: Listing = listed) -> Signature:
    """How the files of a path look from outside; what is not there looks like nothing."""
    try:
        stats = [(name, file.stat()) for name, file in listing(path)]
    except OSError as error:
        return ((str(error.filename), error.errno or 0, 0, 0, 0, 0),)
    return tuple((name, at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for name, at in stats)


def _is_fresh(looks: Signature) -> bool:
    """Whether something was written so lately that the next writing might look the same."""
    latest = max((max(mtime, ctime) for *_, mtime, ctime in looks), default=0)
    return abs(time.time() - latest / 1e9) < FRESH_SECONDS


def _digest(found: Sources | Faults) -> object:
    if isinstance(found, Faults):
        return str(found)
    return tuple((source.name, blake2b(source.content, digest_size=16).digest()) for source in found)


# --- mounts -------------------------------------------------------------------------------


def mounted_alone(path: Path, listing: Listing = listed, mounts: Path | None = None) -> list[str]:
    """A warning for each file that is a mount of its own: a ConfigMap's subPath, which never changes."""
    try:
        points = mount_points((mounts or Path("/proc/self/mountinfo")).read_text(errors="surrogateescape"))
        alone = [name for name, file in listing(path) if str(file.resolve()) in points]
    except OSError:
        return []
    return [
        f"{name} is mounted by itself (subPath, or a single file), so changes may never be seen here; "
        "mount its directory instead"
        for name in alone
    ]


def mount_points(mountinfo: str) -> frozenset[str]:
    """The mount points in a text of proc_pid_mountinfo(5), whose fifth field they are."""
    fields = (line.split(" ") for line in mountinfo.splitlines())
    return frozenset(_unescaped(each[4]) for each in fields if len(each) > 4)


def _unescaped(point: str) -> str:
    for escape, character in _OCTAL.items():
        point = point.replace(escape, character)
    return point
