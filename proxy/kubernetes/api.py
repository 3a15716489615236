"""The API server: a few requests over TLS with the pod's token, every one of them bounded.

aiohttp is there anyway for the admin API. The generated client libraries would cost every sidecar
some 40 MB and most of a second at the start, for the half dozen calls that are needed here.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from proxy.kubernetes.faults import ApiError, Unreachable, fault_of
from proxy.kubernetes.objects import (
    OPENED,
    Collection,
    Event,
    Json,
    Listed,
    Object,
    mapping,
    name_of,
    sequence,
    text,
    version_of,
)

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where every pod finds its token, the API server's certificate authority, and its namespace."""
TOKEN_SECONDS = 60.0
"""Tokens of pods are replaced on the disk long before they expire."""
REQUEST_SECONDS = 10.0
WATCH_SECONDS = 240
"""The server ends a watch after so long; then it is taken up again from where it was."""
LATE_SECONDS = 20.0
"""A watch that the server has not ended so long after it should have is dead."""
MAX_LINE_BYTES = 4 << 20
"""No object is longer than etcd's 1.5 MiB; twice that in JSON is still well below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API server is and how to be let in."""

    url: str
    token_file: Path
    ca_file: Path
    namespace: str


def in_cluster(environ: Mapping[str, str], account: Path = ACCOUNT) -> Access | None:
    """The access that Kubernetes gives to a pod; None outside of a cluster, or without a mounted token."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (account / "token").is_file():
        return None
    bracketed = f"[{host}]" if ":" in host else host
    return Access(
        url=f"https://{bracketed}:{port}",
        token_file=account / "token",
        ca_file=account / "ca.crt",
        namespace=(account / "namespace").read_text().strip(),
    )


class Api:
    """Requests to the API server. All methods raise ApiError and nothing else."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_read = -TOKEN_SECONDS

    async def get(self, where: Collection, name: str) -> Object:
        """One object; Missing when there is none."""
        return await self._ask("GET", f"{where.path}/{name}")

    async def list(self, where: Collection) -> Listed:
        """All objects of the collection as they are now."""
        found = await self._ask("GET", where.path, where.query())
        return Listed({name_of(each): each for each in sequence(found.get("items"))}, version_of(found))

    async def create(self, where: Collection, new: Object) -> Object:
        """Make an object; Overtaken when there is one of that name."""
        return await self._ask("POST", where.path, body=new)

    async def replace(self, where: Collection, changed: Object) -> Object:
        """Write an object back; Overtaken when it is not of the resourceVersion any more that it was read with."""
        return await self._ask("PUT", f"{where.path}/{name_of(changed)}", body=changed)

    async def watch(self, where: Collection, version: str) -> AsyncIterator[Event]:
        """OPENED, then every change after `version`, until the server ends the watch.

        Raises Expired when it cannot go on from there.
        """
        asked = where.query() | {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        asked["timeoutSeconds"] = str(WATCH_SECONDS)
        timeout = aiohttp.ClientTimeout(
            total=WATCH_SECONDS + LATE_SECONDS, sock_connect=REQUEST_SECONDS, sock_read=WATCH_SECONDS + LATE_SECONDS
        )
        try:
            async with self._opened().get(
                self.access.url + where.path, params=asked, headers=self._headers(), timeout=timeout
            ) as response:
                if response.status != 200:
                    raise fault_of(response.status, _reason(await response.read(), where.path))
                yield Event(OPENED, {})
                async for line in _lines(response.content):
                    yield _event(line, where.path)
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            raise Unreachable(f"watch of {where.path}: {broken or type(broken).__name__}") from broken

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with self._opened().request(
                method, self.access.url + path, params=query, json=body, headers=self._headers(), timeout=timeout
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            raise Unreachable(f"{method} {path}: {broken or type(broken).__name__}") from broken
        if response.status >= 300:
            raise fault_of(response.status, _reason(content, path))
        return _object(content, path)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=str(self.access.ca_file))
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), trust_env=False)
        return self._session

    def _headers(self) -> dict[str, str]:
        now = time.monotonic()
        if now - self._token_read >= TOKEN_SECONDS:
            self._token = self.access.token_file.read_text().strip()
            self._token_read = now
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length up to a bound; aiohttp's own reader gives up at 128 KiB, and a ConfigMap may have 1 MiB."""
    rest = bytearray()
    async for chunk in content.iter_any():
        rest += chunk
        while (end := rest.find(b"\n")) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
        if len(rest) > MAX_LINE_BYTES:
            raise Unreachable(f"a line of a watch is longer than {MAX_LINE_BYTES >> 20} MiB")


def _event(line: bytes, path: str) -> Event:
    found = _object(line, path)
    inner = mapping(found.get("object"))
    if found.get("type") == "ERROR":
        code = inner.get("code")
        raise fault_of(code if isinstance(code, int) else 0, f"{path}: {text(inner.get('message'))}")
    return Event(text(found.get("type")), inner)


def _object(content: bytes, path: str) -> Object:
    try:
        found: Json = json.loads(content)
    except ValueError as broken:
        raise ApiError(f"{path}: the API server sent no JSON") from broken
    return mapping(found)


def _reason(content: bytes, path: str) -> str:
    """The message of a Status object."""
    try:
        found: Json = json.loads(content)
    except ValueError:
        found = None
    return f"{path}: {text(mapping(found).get('message')) or 'refused'}"
