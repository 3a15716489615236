"""How long from the command until the first answer?

Bar: at most 1.0 s.
"""

from __future__ import annotations

import time

from bench import peers
from bench.figures import median, shown
from bench.processes import Failed
from bench.questions import Answer
from bench.rounds import Options
from bench.stage import Stage


def ask(on: Stage, options: Options) -> Answer:
    """Start each peer, ask it every 20 ms, end it, in interleaved rounds."""
    seconds: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for peer in options.chosen(peers.everybody()):
            if peer.find() is None:
                continue
            began = time.perf_counter()
            try:
                running = on.start(peer, cores=on.cores.every)
            except Failed:
                continue
            seconds.setdefault(peer.name, []).append(time.perf_counter() - began)
            running.child.end()
    rows = [(name, shown(median(of), 2), shown(max(of), 2)) for name, of in seconds.items()]
    return Answer(("proxy", "s until answered", "slowest"), rows, {"seconds": seconds})
