"""What does a gigabyte cost, in answers of 1 MB?

Bar: at most 1.5 times nginx.
"""

from __future__ import annotations

from dataclasses import replace

from bench import peers, traffic
from bench.figures import ratio, shown
from bench.questions import Answer, under_load
from bench.rounds import Options, Sample
from bench.stage import Stage

_CONNECTIONS = 8


def ask(on: Stage, options: Options) -> Answer:
    """All peers under eight connections that fetch a file which the origin sends from its page cache."""
    options = replace(options, connections=_CONNECTIONS)
    samples = under_load(on, options, peers.everybody(), traffic.requests(paths=["/large"]))
    middle = {name: Sample.middle(of) for name, of in samples.items()}
    per_gb = {name: sample.cpu_us / sample.answer_bytes * 1e3 for name, sample in middle.items()}
    rows = [
        (
            name,
            shown(per_gb[name], 3),
            shown(ratio(per_gb[name], per_gb["nginx"]), 2) if "nginx" in per_gb else "-",
            shown(sample.per_second * sample.answer_bytes / 1e9, 2),
            str(sample.errors),
        )
        for name, sample in middle.items()
    ]
    return Answer(("proxy", "CPU s per GB", "x nginx", "GB/s", "errors"), rows, {"cpu_seconds_per_gb": per_gb})
