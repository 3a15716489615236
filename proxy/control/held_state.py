"""State without a file: kept by the supervisor, so that only the whole instance can lose it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping

from proxy.control.state import Json, Loaded, decode, encode
from proxy.errors import Conflict
from proxy.processes.held import HeldMemory


class HeldState:
    """A StateStore whose one writer is the brain that lives now."""

    def __init__(self, memory: HeldMemory) -> None:
        self._memory = memory

    async def load(self) -> Loaded:
        """The document that this or a former brain saved."""
        content = self._memory.read()
        if not content:
            return Loaded({}, "")
        sections, lost = decode(content)
        return Loaded(sections, _token(content), lost)

    async def save(self, sections: Mapping[str, Json], token: str) -> str:
        """Replace the document, whole or not at all."""
        if token != _token(self._memory.read()):
            raise Conflict("the state was written since it was loaded")
        content = encode(sections)
        self._memory.write(content)
        return _token(content)

    async def watch(self, token: str) -> AsyncIterator[Loaded]:
        """What was written since `token`; then nothing more, for nobody else writes here."""
        loaded = await self.load()
        if loaded.token != token:
            yield loaded


def _token(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""
