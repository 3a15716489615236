"""One question, one file: its first line asks, its `ask` measures, its bar is what we promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.figures import ratio, shown
from bench.peers import Peer
from bench.rounds import Options, Sample, interleaved, loaded, warm_up
from bench.stage import Stage

NAMES = (
    "post",
    "new_connections",
    "large_answers",
    "fixed_rate",
    "routes",
    "flags",
    "shadow",
    "reload",
    "switch",
    "idle_connections",
    "idle_memory",
    "websocket",
    "start",
    "access_log",
)


class Answer(NamedTuple):
    """A table for people and the same as figures for machines."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, object]
    notes: Sequence[str] = ()


def under_load(on: Stage, options: Options, roster: Sequence[Peer], requests: list[bytes]) -> dict[str, list[Sample]]:
    """Every peer loaded with these requests in interleaved rounds, by name."""
    running = on.start_all(options.chosen(roster))
    entries = on.lay("requests", requests)
    warm_up(on, running, entries, options)
    return interleaved(running, options.rounds, lambda one: loaded(on, one, entries, options))


def by_cpu(samples: Mapping[str, Sequence[Sample]]) -> Answer:
    """The usual answer: CPU per request beside nginx, and what came with it."""
    middle = {name: Sample.middle(of) for name, of in samples.items()}
    rows = [
        (
            name,
            shown(sample.cpu_us),
            shown(ratio(sample.cpu_us, middle["nginx"].cpu_us), 2) if "nginx" in middle else "-",
            shown(sample.per_second, 0),
            shown(sample.p50_ms, 2),
            shown(sample.p99_ms, 2),
            str(sample.errors),
        )
        for name, sample in middle.items()
    ]
    head = ("proxy", "CPU µs", "x nginx", "requests/s", "p50 ms", "p99 ms", "errors")
    return Answer(head, rows, {name: sample._asdict() for name, sample in middle.items()})
