"""What do 2,000 requests per second feel like, and what do they cost?

Bar: p50 at most 1.5 times nginx or 0.3 ms more. The row `nginx again` is the noise floor of p99.
"""

from __future__ import annotations

from bench import load, peers, report, traffic
from bench.figures import median, percentile, ratio, shown
from bench.questions import Answer
from bench.rounds import Options, interleaved
from bench.stage import Running, Stage

_PER_SECOND = 2000


def ask(on: Stage, options: Options) -> Answer:
    """Open loop: requests go out by the clock, and latency counts from when each should have gone out."""
    requests = traffic.requests()
    running = on.start_all(options.chosen([*peers.everybody(), peers.nginx("nginx again")]))

    def measured(one: Running) -> tuple[float, float, float]:
        before = one.child.cpu_seconds()
        answers = load.at_rate(one.port, requests, _PER_SECOND, options.seconds, options.connections)
        cpu_us = (one.child.cpu_seconds() - before) / len(answers.latencies) * 1e6
        report.progress(f"{one.name}: {cpu_us:.1f} µs of CPU, {answers.errors} errors")
        return cpu_us, percentile(answers.latencies, 50) * 1e3, percentile(answers.latencies, 99) * 1e3

    for one in running:
        measured(one)
    rounds = interleaved(running, options.rounds, measured)
    middle = {name: [median(column) for column in zip(*of, strict=True)] for name, of in rounds.items()}
    base = middle.get("nginx", [float("nan")] * 3)
    rows = [
        (
            name,
            shown(cpu_us),
            shown(ratio(cpu_us, base[0]), 2),
            shown(p50_ms, 3),
            shown(ratio(p50_ms, base[1]), 2),
            shown(p99_ms, 3),
            shown(ratio(p99_ms, base[2]), 2),
        )
        for name, (cpu_us, p50_ms, p99_ms) in middle.items()
    ]
    head = ("proxy", "CPU µs", "x nginx", "p50 ms", "x nginx", "p99 ms", "x nginx")
    return Answer(head, rows, {"per_second": _PER_SECOND, "rounds": rounds})
