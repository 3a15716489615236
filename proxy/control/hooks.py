"""Hooks and notifications: others are asked for leave, or told; nobody waits for them without a bound."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from proxy.control.state import Json
from proxy.errors import ShuntError
from proxy.strategies.progressive import Notify, Webhook

SIGNATURE = "X-Shunt-Signature"
"""`sha256=` and the HMAC-SHA256 of the body in hexadecimal."""
QUEUE_MESSAGES = 256
"""So many notifications wait; with more the newest are lost, and counted."""
MESSENGERS = 4
"""How many are on their way at once, so that one slow receiver does not keep the others."""
BACKOFF_SECONDS = 0.5
MOST_BACKOFF_SECONDS = 8.0

_log = logging.getLogger(__name__)


class Unheard(ShuntError):
    """Nobody answered the hook: that is neither a yes nor a no."""


class Hooks:
    """Whoever is asked or told, through one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._waiting: asyncio.Queue[tuple[Notify | Webhook, bytes]] = asyncio.Queue(QUEUE_MESSAGES)
        self.lost = 0
        """Notifications that were given up, or that found no room."""

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Hooks]:
        """With a session of its own, which ends with the block."""
        # Proxies of the environment are for people; what the rules name is asked directly.
        async with aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield cls(session)

    # --- asking --------------------------------------------------------------------------

    async def pass_(self, hooks: Iterable[Webhook], said: Mapping[str, Json]) -> bool:
        """Whether all of them say yes (2xx); raises Unheard when one of them could not be asked."""
        answers = [await self.ask(hook, said) for hook in hooks]
        return all(answers)

    async def ask(self, hook: Webhook, said: Mapping[str, Json]) -> bool:
        """Whether the hook says yes, after its retries; Unheard when nobody answered."""
        body = json.dumps({**said, "metadata": {**hook.metadata}}).encode()
        fault = ""
        for attempt in range(hook.retries + 1):
            await _back_off(attempt)
            try:
                status = await self._post(hook.url, body, hook.timeout)
            except (aiohttp.ClientError, OSError, ValueError) as unheard:
                fault = str(unheard) or type(unheard).__name__
                continue
            if status < 500:
                return 200 <= status < 300
            fault = ""
        if fault:
            raise Unheard(f"hook {hook.name} could not be asked: {fault}")
        return False

    # --- telling -------------------------------------------------------------------------

    def tell(self, receivers: Iterable[Notify | Webhook], said: Mapping[str, Json]) -> None:
        """Queue a message for each; never waits."""
        for receiver in receivers:
            extra: dict[str, Json] = {"metadata": {**receiver.metadata}} if isinstance(receiver, Webhook) else {}
            try:
                self._waiting.put_nowait((receiver, json.dumps({**said, **extra}).encode()))
            except asyncio.QueueFull:
                self.lost += 1

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(MESSENGERS):
                group.create_task(self._deliver())

    async def _deliver(self) -> None:
        while True:
            receiver, body = await self._waiting.get()
            try:
                headers = await asyncio.to_thread(_signed, receiver, body)
                await self._deliver_one(receiver, body, headers)
            except (aiohttp.ClientError, OSError, ValueError) as fault:
                self.lost += 1
                _log.warning("nobody could be told at %s: %s", receiver.url, fault or type(fault).__name__)

    async def _deliver_one(self, receiver: Notify | Webhook, body: bytes, headers: Mapping[str, str]) -> None:
        for attempt in range(receiver.retries + 1):
            await _back_off(attempt)
            is_last = attempt == receiver.retries
            try:
                status = await self._post(receiver.url, body, receiver.timeout, headers)
            except (aiohttp.ClientError, OSError):
                if is_last:
                    raise
                continue
            if status < 300:
                return
            if is_last or status < 500:
                raise ValueError(f"it answered {status}")

    async def _post(self, url: str, body: bytes, bound_seconds: float, headers: Mapping[str, str] | None = None) -> int:
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with (
            asyncio.timeout(bound_seconds),
            self.session.post(url, data=body, headers=sent, allow_redirects=False) as response,
        ):
            return response.status


def _signed(receiver: Notify | Webhook, body: bytes) -> dict[str, str]:
    """The signature, if the receiver has a secret; OSError when it cannot be read: then nothing is sent."""
    if isinstance(receiver, Webhook) or not receiver.secret_file:
        return {}
    secret = Path(receiver.secret_file).read_bytes().strip()
    return {SIGNATURE: f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"}


async def _back_off(attempt: int) -> None:
    if attempt:
        await asyncio.sleep(min(BACKOFF_SECONDS * 2 ** (attempt - 1), MOST_BACKOFF_SECONDS))
