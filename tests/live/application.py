"""An application with flags: told of them by headers, it asks for them over OFREP; and the ConfigMap that it mounts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from live.instance import Backend, Line, Reply


class Application(Backend):
    """Answers with its version and the flag fields that reached it; `heard` are those of every request, copies too."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: list[dict[str, list[str]]] = []

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        told: dict[str, list[str]] = {}
        for line in head.split("\r\n")[1:-2]:
            name, _, value = line.partition(":")
            if name.lower().replace("_", "-").startswith("x-shunt-"):
                told.setdefault(name.lower(), []).append(value.strip())
        self.asked += 1
        self.heard.append(told)
        body = json.dumps({"version": self.name, "told": told}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()


class Told(NamedTuple):
    """What one request was told on its way."""

    version: str
    variants: dict[str, str]
    """Of `x-shunt-flags`."""
    variant: str
    revision: str

    @classmethod
    def by(cls, reply: Reply) -> Told:
        """What the application answered that it heard, each field exactly once."""
        found = reply.json
        assert isinstance(found, dict)
        fields = {name: each for name, (each,) in found["told"].items()}
        pairs = (pair.partition("=") for pair in fields.get("x-shunt-flags", "").split(",") if pair)
        variants = {name: variant for name, _, variant in pairs}
        return cls(found["version"], variants, fields.get("x-shunt-variant", ""), fields.get("x-shunt-revision", ""))


class Sdk:
    """An application's OFREP client, on one connection."""

    def __init__(self, address: str) -> None:
        self._line = Line(address)

    async def one(self, key: str, identity: str, revision: str = "") -> dict[str, object]:
        """A single evaluation."""
        found = (await self.ask(f"/{key}", identity, revision)).json
        assert isinstance(found, dict)
        return found

    async def all(self, identity: str, revision: str = "") -> dict[str, dict[str, object]]:
        """A bulk evaluation, by key."""
        found = (await self.ask("", identity, revision)).json
        assert isinstance(found, dict)
        return {flag["key"]: flag for flag in found["flags"]}

    async def ask(self, path: str, identity: str, revision: str = "", fields: str = "") -> Reply:
        """One request for this identity; `revision` is sent along as an application does that was told one."""
        body = json.dumps({"context": {"targetingKey": identity}}).encode()
        fields += f"x-shunt-revision: {revision}\r\n" if revision else ""
        where = f"/ofrep/v1/evaluate/flags{path}"
        return await self._line.ask(
            where, method="POST", body=body, fields=f"{fields}Content-Type: application/json\r\n"
        )

    async def close(self) -> None:
        """Hang up."""
        await self._line.close()


class ConfigMap:
    """A mounted ConfigMap: the files are links through `..data`, which is swapped as the kubelet swaps it."""

    def __init__(self, path: Path, **flags: str) -> None:
        self.path = path
        self._count = 0
        path.mkdir()
        self.swap(**flags)

    def swap(self, **flags: str) -> None:
        """Replace all of its data at once; `_` stands for `-`, and `__` for `.`."""
        former = self.path / "..data"
        old = former.resolve() if former.is_symlink() else None
        self._count += 1
        data = self.path / f"..2026_11_23_{self._count}"
        data.mkdir()
        for key, text in flags.items():
            name = key.replace("__", ".").replace("_", "-")
            (data / name).write_text(text)
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        draft = self.path / "..data_tmp"
        draft.symlink_to(data.name)
        draft.rename(former)
        for link in self.path.iterdir():
            if link.is_symlink() and not link.exists():
                link.unlink()
        if old is not None:
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
