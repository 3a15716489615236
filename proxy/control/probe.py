"""A probe: can this version answer? Asked before traffic moves to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from proxy.control.changes import Finding
from proxy.rules import Health, Service
from proxy.targets import Address

FRESH_SECONDS = 2.0
"""A result that is younger is not asked for again."""
_CONNECT_SECONDS = 1.0
_STATUS_LINE_BYTES = 4096


async def _as_written(text: str) -> tuple[Address, ...]:
    return (Address.parse(text),)


class Probe:
    """Asks every target of a version at once: its health check, else a connect; one healthy target is enough."""

    def __init__(
        self,
        addresses: Callable[[str], Awaitable[tuple[Address, ...]]] = _as_written,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`addresses` finds those behind a target's text."""
        self._addresses = addresses
        self._clock = clock
        self._found: dict[tuple[Address, Health | None], tuple[float, str]] = {}

    async def __call__(self, service: Service, version: str) -> Finding:
        """Whether some target of the version is well, and why not."""
        targets = service.versions[version].targets
        addresses = [address for text in targets for address in await self._addresses(text)]
        faults = await asyncio.gather(*(self._fault(address, service.health) for address in addresses))
        if not faults:
            return Finding(False, "none of its targets has an address" if targets else "it has no targets")
        if "" in faults:
            return Finding(True)
        reasons = (f"{address}: {fault}" for address, fault in zip(addresses, faults, strict=True))
        return Finding(False, "; ".join(reasons))

    async def _fault(self, address: Address, health: Health | None) -> str:
        """What is wrong with the target, "" when it is well."""
        now = self._clock()
        self._found = {key: found for key, found in self._found.items() if now - found[0] < FRESH_SECONDS}
        known = self._found.get((address, health))
        if known is not None:
            return known[1]
        return await self.check(address, health)

    async def check(self, address: Address, health: Health | None) -> str:
        """Ask now, whatever is known, and remember the answer."""
        fault = await ask(address, health)
        self._found[address, health] = (self._clock(), fault)
        return fault


async def ask(address: Address, health: Health | None) -> str:
    """Connect, and with a health check ask for its path; the fault in words, or "" when all is well."""
    try:
        async with asyncio.timeout(health.timeout if health is not None else _CONNECT_SECONDS):
            reader, writer = await _connect(address)
            try:
                if health is None:
                    return ""
                writer.write(_request(address, health))
                return _verdict(await reader.readuntil(b"\r\n"))
            finally:
                writer.transport.abort()
    except TimeoutError:
        return "no answer in time"
    except asyncio.IncompleteReadError:
        return "it closed without an answer"
    except (OSError, asyncio.LimitOverrunError) as fault:
        return str(fault)


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.unix:
        return await asyncio.open_unix_connection(address.unix, limit=_STATUS_LINE_BYTES)
    return await asyncio.open_connection(address.host, address.port, limit=_STATUS_LINE_BYTES)


def _request(address: Address, health: Health) -> bytes:
    host = f"{address.host}:{address.port}" if not address.unix else "localhost"
    head = f"GET {health.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: shunt-health\r\nConnection: close\r\n\r\n"
    return head.encode()


def _verdict(status_line: bytes) -> str:
    parts = status_line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        return "it does not speak HTTP/1.1"
    status = int(parts[1])
    return "" if 200 <= status < 400 else f"its health check answers {status}"
