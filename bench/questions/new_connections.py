"""What does a request cost that comes on a connection of its own?

Bar: at most 1.6 times nginx.
"""

from __future__ import annotations

from bench import peers, traffic
from bench.questions import Answer, by_cpu, under_load
from bench.rounds import Options
from bench.stage import Stage


def ask(on: Stage, options: Options) -> Answer:
    """All peers under requests with `Connection: close`; connections to the origin stay kept."""
    return by_cpu(under_load(on, options, peers.everybody(), traffic.requests(closes=True)))
