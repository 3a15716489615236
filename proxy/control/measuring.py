"""Measuring: one look at Prometheus or at a web page. What cannot be measured is an error, never a result."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from proxy.errors import ShuntError
from proxy.rollout.answer import pick, prometheus_result
from proxy.strategies.progressive import Prometheus, Provider, Web

MOST_BYTES = 1 << 20
"""Of one answer; a longer one is an error."""


class NotMeasured(ShuntError):
    """The measurement could not be made; its message says why."""


async def measure(session: aiohttp.ClientSession, provider: Provider) -> object:
    """The `result` that conditions ask about; raises NotMeasured, within the provider's timeout."""
    asked = provider.prometheus or provider.web
    assert asked is not None
    try:
        async with asyncio.timeout(asked.timeout):
            if isinstance(asked, Prometheus):
                return await _query(session, asked)
            return await _fetch(session, asked)
    except TimeoutError as late:
        raise NotMeasured(f"no answer within {asked.timeout:g} s") from late
    except (aiohttp.ClientError, OSError, ValueError, LookupError, RecursionError) as fault:
        raise NotMeasured(f"{type(fault).__name__}: {fault}"[:500]) from fault


async def _query(session: aiohttp.ClientSession, asked: Prometheus) -> object:
    url = f"{asked.address.rstrip('/')}/api/v1/query"
    async with session.get(url, params={"query": asked.query}, allow_redirects=False) as response:
        # Prometheus explains a bad query in JSON with status 400 or 422.
        return prometheus_result(json.loads(await _body(response)))


async def _fetch(session: aiohttp.ClientSession, asked: Web) -> object:
    async with session.get(asked.url, headers=asked.headers, allow_redirects=False) as response:
        if not 200 <= response.status < 300:
            raise LookupError(f"{asked.url} answered {response.status}")
        return pick(json.loads(await _body(response)), asked.jsonPath)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MOST_BYTES:
            raise ValueError(f"the answer is longer than {MOST_BYTES} bytes")
    return bytes(body)
