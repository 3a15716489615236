"""How long does a switch from blue to green take, until every worker has acknowledged it?

Bar: at most 50 ms in the median, four workers.
"""

from __future__ import annotations

import json
import re
import time

from bench import peers
from bench.figures import median, percentile, shown
from bench.processes import Failed
from bench.processes import ask as ask_port
from bench.questions import Answer
from bench.rounds import Options
from bench.stage import Running, Stage

_SWITCHES_PER_ROUND = 10
_WORKERS = 4
_READY_SECONDS = 10.0
_RULES = """
services:
  bench:
    hosts: ["*"]
    versions: {blue: "http://127.0.0.1:@STABLE@", green: "http://127.0.0.1:@CANDIDATE@"}
    blue_green: {active: blue}
"""


def ask(on: Stage, options: Options) -> Answer:
    """The time of the admin API's answer to a switch, there and back."""
    running = on.start(peers.shunt("shunt", _RULES, "--workers", str(_WORKERS)), cores=on.cores.every)
    admin = _admin_port(running)
    seen = [
        _switch(admin, colour) * 1e3
        for _ in range(options.rounds * _SWITCHES_PER_ROUND // 2)
        for colour in ("green", "blue")
    ]
    row = ("switch", shown(median(seen)), shown(percentile(seen, 99)), str(len(seen)))
    return Answer(("shunt", "median ms", "p99 ms", "switches"), [row], {"milliseconds": seen})


def _admin_port(running: Running) -> int:
    """Where the admin API listens, from the line that Shunt prints when it serves."""
    bound = time.monotonic() + _READY_SECONDS
    while time.monotonic() < bound:
        if found := re.search(r"admin (?:http://)?127\.0\.0\.1:(\d+)", running.child.log.read_text()):
            return int(found[1])
        time.sleep(0.02)
    raise Failed(f"no admin address: {running.child.last_words()}")


def _switch(admin: int, colour: str) -> float:
    body = json.dumps({"scope": "bench", "version": colour})
    request = (
        f"POST /v1/switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )
    began = time.perf_counter()
    answer = ask_port(admin, request.encode())
    seconds = time.perf_counter() - began
    if not answer.startswith(b"HTTP/1.1 200"):
        raise Failed(f"the switch was refused: {answer[-300:]!r}")
    if json.loads(answer.partition(b"\r\n\r\n")[2])["acknowledged_workers"] != list(range(_WORKERS)):
        raise Failed(f"not every worker acknowledged the switch: {answer[-300:]!r}")
    return seconds
