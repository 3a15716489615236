"""What does a POST of 4 KB cost?

Bar: at most 1.5 times nginx.
"""

from __future__ import annotations

from bench import peers, traffic
from bench.questions import Answer, by_cpu, under_load
from bench.rounds import Options
from bench.stage import Stage


def ask(on: Stage, options: Options) -> Answer:
    """All peers under bodies that differ from request to request."""
    return by_cpu(under_load(on, options, peers.everybody(), traffic.requests(method="POST", body_bytes=4096)))
