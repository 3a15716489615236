"""What does the access log cost?

Bar: at most 15 % more instructions per request than without it.
"""

from __future__ import annotations

import math

from bench import counts, peers, traffic
from bench.figures import ratio, shown
from bench.questions import Answer, under_load
from bench.rounds import Options, Sample
from bench.stage import Stage

_RUNS = (1000, 4000)


def ask(on: Stage, options: Options) -> Answer:
    """Shunt without and with a line of JSON per request, written to a file."""
    requests = traffic.requests()
    roster = [peers.shunt("no log"), peers.shunt("JSON log", "", "--access-log", "json")]
    cpu = {name: Sample.middle(of).cpu_us for name, of in under_load(on, options, roster, requests).items()}
    counted = {peer.name: math.nan for peer in roster}
    if counts.has_callgrind() and not options.is_quick:
        counted = {peer.name: counts.instructions(on, peer, requests, _RUNS, options.connections) for peer in roster}
    rows = [
        (
            name,
            shown(counted[name], 0),
            shown(100 * (ratio(counted[name], counted["no log"]) - 1)),
            shown(cpu.get(name, math.nan)),
        )
        for name in counted
    ]
    return Answer(("shunt", "instructions", "more %", "CPU µs"), rows, {"instructions": counted, "cpu_us": cpu})
