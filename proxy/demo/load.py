"""Load: a gentle stream of made-up clients, so that the view moves; loopback only and bounded."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from time import monotonic

import aiohttp

REQUESTS_PER_SECOND = 40.0
MOST_IN_FLIGHT = 32
TIMEOUT_SECONDS = 20.0
USERS = 997
HOSTS = ("shop", "account", "shop", "search", "news", "shop", "reports", "account", "shop", "search", "news", "echo")


@dataclass(slots=True)
class Seen:
    """What the made-up clients got."""

    requests: int = 0
    failed: int = 0
    """Answers of 5xx and connections that broke."""
    left_out: int = 0
    """Requests not sent because too many were on their way."""
    seconds: list[float] = field(default_factory=list)
    """How long each took since `take_seconds` was last called."""

    def take_seconds(self) -> list[float]:
        """The durations since the last call."""
        taken, self.seconds = self.seconds, []
        return taken


class Load:
    """Clients with names, each asking for one page after the other of several services."""

    def __init__(self, proxy: str, *, requests_per_second: float = REQUESTS_PER_SECOND) -> None:
        self._proxy = proxy
        self._interval_seconds = 1 / requests_per_second
        self._in_flight = 0
        self.seen = Seen()

    async def run(self) -> None:
        """Send requests until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=MOST_IN_FLIGHT)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as clients,
        ):
            for number, host in zip(itertools.count(), itertools.cycle(HOSTS), strict=False):
                if self._in_flight < MOST_IN_FLIGHT:
                    clients.create_task(self._ask(session, host, number))
                else:
                    self.seen.left_out += 1
                await asyncio.sleep(self._interval_seconds)

    async def _ask(self, session: aiohttp.ClientSession, host: str, number: int) -> None:
        user = str(number * 7919 % USERS)
        headers = {"Host": f"{host}.localhost", "x-user-id": user}
        began = monotonic()
        self.seen.requests += 1
        self._in_flight += 1
        try:
            async with session.get(f"{self._proxy}/page/{number % 100}", headers=headers) as response:
                await response.read()
                failed = response.status >= 500
        except (aiohttp.ClientError, TimeoutError):
            failed = True
        finally:
            self._in_flight -= 1
        self.seen.failed += failed
        self.seen.seconds.append(monotonic() - began)
