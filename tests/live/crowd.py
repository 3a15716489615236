"""A crowd: clients that ask at a steady rate and keep account of every answer; none ever tries again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from live.instance import Line


class Failure(NamedTuple):
    """A request without a good answer; times as the loop's clock has them."""

    what: str
    began: float
    ended: float


class Account:
    """What became of all requests."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()
        """Good answers by their body."""
        self.failures: list[Failure] = []
        self.slowest_seconds = 0.0

    @property
    def asked(self) -> int:
        return self.answered.total() + len(self.failures)

    def failed(self) -> Counter[str]:
        """Failures by what they were."""
        return Counter(failure.what for failure in self.failures)


@asynccontextmanager
async def crowd(
    url: str,
    *,
    per_second: float,
    clients: int = 32,
    fresh: float = 0.0,
    method: str = "GET",
    path: str = "/",
    patience: float = 30.0,
) -> AsyncIterator[Account]:
    """Clients that ask `per_second` times together until the block ends; `fresh`: that share on new connections."""
    account = Account()
    over = asyncio.Event()
    clock = asyncio.get_running_loop().time
    start = clock()

    async def ask(line: Line) -> None:
        began = clock()
        try:
            async with asyncio.timeout(patience):
                reply = await line.ask(path, method=method, body=b"x" * 64 if method == "POST" else b"")
        except (OSError, TimeoutError, ValueError) as fault:
            await line.close()
            account.failures.append(Failure(type(fault).__name__, began, clock()))
            return
        account.slowest_seconds = max(account.slowest_seconds, clock() - began)
        if reply.status == 200:
            account.answered[reply.body.decode()] += 1
        else:
            what = f"{reply.status} {reply.head.get('x-shunt-error', '')}".strip()
            account.failures.append(Failure(what, began, clock()))

    async def client(number: int) -> None:
        line = Line(url)
        turn = 0
        while not over.is_set():
            due = start + (number + turn * clients) / per_second
            turn += 1
            if due > clock():
                await asyncio.wait([ending], timeout=due - clock())
                if over.is_set():
                    break
            await ask(line)
            if number < clients * fresh:
                await line.close()
        await line.close()

    ending = asyncio.create_task(over.wait())
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number))
        try:
            yield account
        finally:
            over.set()
    await ending
