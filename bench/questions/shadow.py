"""What do primary requests notice of a shadow that hears all of them?

Bar: p50 at most 10 % or 0.2 ms more, whatever the shadow does; CPU per primary request at most twice.
"""

from __future__ import annotations

import socket

from bench import load, peers, traffic
from bench.figures import median, percentile, ratio, shown
from bench.processes import LOOPBACK, free_port
from bench.questions import Answer
from bench.rounds import Options, interleaved
from bench.stage import Running, Stage

_PER_SECOND = 1000


def ask(on: Stage, options: Options) -> Answer:
    """Shunt at a fixed rate, with no shadow and with one that answers, refuses, or accepts and says nothing."""
    requests = traffic.requests()
    with socket.create_server((LOOPBACK, 0), backlog=1024) as silent:
        targets = {"answers": on.candidate, "refuses": free_port(), "hangs": silent.getsockname()[1]}
        roster = [peers.shunt("no shadow")]
        roster += [peers.shunt(f"shadow {does}", _rules(port)) for does, port in targets.items()]
        running = on.start_all(roster)

        def measured(one: Running) -> tuple[float, float, float, float]:
            before = one.child.cpu_seconds()
            answers = load.at_rate(one.port, requests, _PER_SECOND, options.seconds, options.connections)
            cpu_us = (one.child.cpu_seconds() - before) / len(answers.latencies) * 1e6
            p50, p99 = (percentile(answers.latencies, percent) * 1e3 for percent in (50, 99))
            return p50, p99, cpu_us, answers.errors

        rounds = interleaved(running, options.rounds, measured)
    middle = {name: [median(column) for column in zip(*of, strict=True)] for name, of in rounds.items()}
    base = middle.get("no shadow", [float("nan")] * 4)
    rows = [
        (
            name,
            shown(p50, 3),
            shown(p50 - base[0], 3),
            shown(p99, 3),
            shown(cpu_us),
            shown(ratio(cpu_us, base[2]), 2),
            shown(errors, 0),
        )
        for name, (p50, p99, cpu_us, errors) in middle.items()
    ]
    head = ("shunt", "p50 ms", "more ms", "p99 ms", "CPU µs", "x no shadow", "errors")
    return Answer(head, rows, {"per_second": _PER_SECOND, "rounds": rounds})


def _rules(port: int) -> str:
    """The split with a third version that hears everything."""
    rules = peers.template("rules.yaml").replace(
        "    identity:", f"      mirror: http://127.0.0.1:{port}\n    identity:"
    )
    return rules + "    shadow: [{version: mirror, percent: 100}]\n"
