"""How long does a reload of many rules take, and does traffic notice?

Bar: 10,000 routes effective within 4 s, one service of 1,000 within 0.5 s, no stall of a worker over 10 ms.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench import load, peers, traffic
from bench.figures import median, percentile, shown
from bench.processes import Failed
from bench.processes import ask as ask_port
from bench.questions import Answer
from bench.questions.routes import rules_with_hosts, rules_with_routes
from bench.rounds import Options
from bench.stage import Running, Stage

_PER_SECOND = 2000
_BOUND_SECONDS = 30.0
_BEFORE, _AFTER = "expose_version: false", "expose_version: true"
_QUIET_SECONDS = 1.0


def ask(on: Stage, options: Options) -> Answer:
    """Change a rules file under load, and ask until answers show it; the longest latency is the stall from outside."""
    rows, figures = [], {}
    for title, rules, change in (
        ("10,000 routes", rules_with_routes(10_000), _everywhere),
        ("1 service of 1,000", rules_with_hosts(), _last_only),
    ):
        running = on.start(peers.shunt(rules=rules + f"    {_BEFORE}\n"), seconds=60, cores=on.cores.every)
        try:
            seen = [_reload(running, change) for _ in range(options.rounds)]
        finally:
            running.child.end()
        seconds, p50, longest, quiet = (median(column) for column in zip(*seen, strict=True))
        rows.append((title, shown(seconds, 2), shown(p50, 3), shown(longest, 1), shown(quiet, 1)))
        figures[title] = seen
    head = ("change", "effective after s", "p50 ms", "longest ms", "longest without reload ms")
    return Answer(head, rows, figures, ["The time includes noticing the file. Latencies at 2,000 requests per second."])


def _everywhere(text: str) -> str:
    return _last_only(text).replace("weight: 10}", "weight: 11}" if "weight: 10}" in text else "weight: 10}")


def _last_only(text: str) -> str:
    """Turn the mark that answers show."""
    return text.replace(_BEFORE, _AFTER) if _BEFORE in text else text.replace(_AFTER, _BEFORE)


def _reload(running: Running, change: Callable[[str], str]) -> tuple[float, float, float, float]:
    """Seconds until effective; p50, longest latency in ms during it; longest in ms before it."""
    file = running.place.folder / "rules.yaml"
    requests = traffic.requests()
    quiet = load.at_rate(running.port, requests, _PER_SECOND, _QUIET_SECONDS)
    effective: list[float] = []
    turn = threading.Thread(target=lambda: effective.append(_turn(running, file, change)), daemon=True)
    turn.start()
    latencies: list[float] = []
    while turn.is_alive():
        latencies += load.at_rate(running.port, requests, _PER_SECOND, _QUIET_SECONDS).latencies
    if not effective:
        raise Failed(f"the reload did not become effective: {running.child.last_words()}")
    return effective[0], percentile(latencies, 50) * 1e3, max(latencies) * 1e3, max(quiet.latencies) * 1e3


def _turn(running: Running, file: Path, change: Callable[[str], str]) -> float:
    """Rename the changed rules over the old ones; the seconds until an answer shows them."""
    changed = change(file.read_text())
    fresh = file.with_suffix(".fresh")
    fresh.write_text(changed)
    began = time.monotonic()
    os.replace(fresh, file)
    request = f"GET /other HTTP/1.1\r\nHost: {traffic.HOST}\r\nConnection: close\r\n\r\n".encode()
    while time.monotonic() < began + _BOUND_SECONDS:
        if (b"x-shunt-version" in ask_port(running.port, request).lower()) == (_AFTER in changed):
            return time.monotonic() - began
        time.sleep(0.01)
    raise Failed("the change never showed")
