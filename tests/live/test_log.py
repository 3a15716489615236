"""The access log of a running instance: one line for each request, on stdout."""

from __future__ import annotations

import json
import signal

from live.conftest import StartShunt
from live.instance import ask


async def test_every_request_has_its_line_once_it_has_left(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules, "--access-log", "json")
    for number in range(10):
        await ask(shunt.url, f"/{number}")
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 0
    entries = [json.loads(line) for line in shunt.lines if line.startswith("{")]
    assert sorted(entry["path"] for entry in entries) == [f"/{number}" for number in range(10)]


async def test_an_answer_of_the_proxy_itself_has_its_host_and_its_length(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules.replace('"*"', "shop.test"), "--access-log", "json")
    unknown = await ask(shunt.url, "/", host="nobody.test")
    shunt.signal(signal.SIGTERM)
    assert await shunt.wait_exit() == 0
    (entry,) = (json.loads(line) for line in shunt.lines if line.startswith("{"))
    assert (entry["host"], entry["status"], entry["bytes_out"]) == ("nobody.test", 404, len(unknown.body))
