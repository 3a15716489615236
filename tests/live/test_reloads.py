"""Reloads promise that no request fails by one, and that each request follows one revision from end to end."""

from __future__ import annotations

import asyncio
import signal

from live.conftest import StartShunt
from live.instance import Backend, Line, until

RELOADS = 200
CLIENTS = 50


def of_revision(number: int, blue: Backend, green: Backend) -> str:
    """Rules that name their number in the request, in the response, and by the colour that answers."""
    active = ("blue", "green")[number % 2]
    return f"""
services:
  shop:
    hosts: ["*"]
    versions: {{blue: "{blue.url}", green: "{green.url}"}}
    blue_green: {{active: {active}}}
    headers:
      response: {{set: {{x-rules: "{number}", x-colour: "{active}"}}}}
"""


async def test_two_hundred_reloads_fail_no_request_and_mix_no_two_revisions(
    start_shunt: StartShunt, blue: Backend, green: Backend
) -> None:
    shunt = await start_shunt(of_revision(0, blue, green))
    seen: set[str] = set()
    failed: list[object] = []
    is_over = asyncio.Event()

    async def client() -> None:
        line = Line(shunt.url)
        while not is_over.is_set():
            reply = await line.ask()
            colour = ("blue", "green")[int(reply.head["x-rules"]) % 2]
            if (reply.status, reply.head["x-colour"], reply.body.decode()) != (200, colour, colour):
                failed.append(reply)
            seen.add(reply.head["x-rules"])
        await line.close()

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client())
        for number in range(1, RELOADS + 1):
            shunt.rules.write_text(of_revision(number, blue, green))
            shunt.signal(signal.SIGHUP)

            async def was_seen(wanted: str = str(number)) -> bool:
                return wanted in seen

            await until(was_seen)
        is_over.set()
    assert failed == []
    assert {str(number) for number in range(1, RELOADS + 1)} <= seen
