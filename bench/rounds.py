"""Interleaved rounds: every peer gets its turn within each minute, so that what the machine does hits all alike."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench import peers, wrk
from bench.figures import median
from bench.peers import Peer
from bench.processes import Failed
from bench.stage import Running, Stage

_WARM_UP_SECONDS = 1.0

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Options:
    """What the command line says about effort and peers."""

    rounds: int
    seconds: float
    connections: int
    peers: tuple[str, ...]
    is_quick: bool = False

    @staticmethod
    def add_to(parser: argparse.ArgumentParser) -> None:
        """The arguments that every command of the bench has."""
        parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, of which medians are taken")
        parser.add_argument("--seconds", type=float, default=5.0, help="seconds of each measurement")
        parser.add_argument("--connections", type=int, default=64, help="kept connections of the load")
        parser.add_argument("--peers", default="", help="only these, as in shunt,nginx (default: all)")
        parser.add_argument("--quick", action="store_true", help="two rounds of one second: does it run at all?")

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        """The options that were given; `--quick` overrules the effort."""
        rounds, seconds = (2, 1.0) if arguments.quick else (arguments.rounds, arguments.seconds)
        return cls(
            rounds, seconds, arguments.connections, tuple(filter(None, arguments.peers.split(","))), arguments.quick
        )

    def chosen(self, roster: Sequence[Peer]) -> list[Peer]:
        """Of these peers the ones asked for; raises Failed for a name that nobody bears."""
        names = {peer.name for peer in peers.everybody()} | {peer.name for peer in roster}
        if unknown := set(self.peers) - names:
            raise Failed(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
        return [peer for peer in roster if not self.peers or peer.name.partition(" ")[0] in self.peers]


class Sample(NamedTuple):
    """One measurement of one peer."""

    cpu_us: float
    """CPU microseconds per request of the peer's processes, all together."""
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    answer_bytes: float
    """Received bytes per request, heads included."""

    @classmethod
    def middle(cls, samples: Sequence[Sample]) -> Sample:
        """The median of each figure; errors add up."""
        if not samples:
            return cls(math.nan, math.nan, math.nan, math.nan, 0, math.nan)
        cpu_us, per_second, p50_ms, p99_ms, errors, answer_bytes = zip(*samples, strict=True)
        return cls(
            median(cpu_us), median(per_second), median(p50_ms), median(p99_ms), sum(errors), median(answer_bytes)
        )


def loaded(stage: Stage, running: Running, entries: Path, options: Options) -> Sample:
    """Load one peer with wrk for the time of one measurement."""
    before = running.child.cpu_seconds()
    load = wrk.run(
        running.port, entries, seconds=options.seconds, connections=options.connections, cores=stage.cores.others
    )
    spent = running.child.cpu_seconds() - before
    if not load.requests:
        raise Failed(f"{running.name} answered nothing: {running.child.last_words()}")
    return Sample(
        spent / load.requests * 1e6,
        load.per_second,
        load.p50_ms,
        load.p99_ms,
        load.errors,
        load.received_bytes / load.requests,
    )


def interleaved(
    roster: Sequence[Running], rounds: int, measure: Callable[[Running], Measured]
) -> dict[str, list[Measured]]:
    """Measure everybody in each round, another one first each time; by name, in the order of the rounds."""
    measured: dict[str, list[Measured]] = {running.name: [] for running in roster}
    for number in range(rounds):
        first = number % len(roster) if roster else 0
        for running in (*roster[first:], *roster[:first]):
            measured[running.name].append(measure(running))
    return measured


def warm_up(stage: Stage, roster: Sequence[Running], entries: Path, options: Options) -> None:
    """A second of load for everybody that nobody counts."""
    for running in roster:
        loaded(stage, running, entries, replace(options, seconds=_WARM_UP_SECONDS))
