"""The comparison: what one request costs in Shunt, nginx, HAProxy, Envoy and a plain aiohttp proxy.

python -m bench.compare [--quick] [--rounds N] [--seconds S] [--peers shunt,nginx] [--no-instructions]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

from bench import counts, load, peers, report, traffic, wrk
from bench.figures import ratio, shown
from bench.processes import Failed, end_on_sigterm
from bench.rounds import Options, Sample, interleaved, loaded, warm_up
from bench.stage import Running, Stage, stage

_INSTRUCTION_RUNS = (1000, 4000)
_CALL_RUNS = (1000, 6000)
_SHARE_REQUESTS = 4096


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write `bench/out/compare.json`; the exit code."""
    arguments = _parser().parse_args(words)
    options = Options.of(arguments)
    try:
        with end_on_sigterm(), stage() as on:
            return _compare(on, options, instructions=arguments.instructions, calls=arguments.system_calls)
    except Failed as failed:
        sys.stderr.write(f"bench: {failed}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.splitlines()[0])
    Options.add_to(parser)
    parser.add_argument(
        "--instructions", action=argparse.BooleanOptionalAction, default=True, help="count by callgrind"
    )
    parser.add_argument("--system-calls", action=argparse.BooleanOptionalAction, default=True, help="count by strace")
    return parser


def _compare(on: Stage, options: Options, *, instructions: bool, calls: bool) -> int:
    os.sched_setaffinity(0, on.cores.others)
    if not wrk.is_installed():
        raise Failed(f"wrk is not installed: get {wrk.GET}")
    requests = traffic.requests()
    entries = on.lay("requests", requests)
    roster = on.start_all(options.chosen(peers.everybody()))
    shares = {running.name: candidate_percent(on, running, requests) for running in roster}
    warm_up(on, roster, entries, options)
    samples = interleaved(roster, options.rounds, _with_progress(lambda one: loaded(on, one, entries, options)))
    by_call = _system_calls(roster, requests, options) if calls else {}
    for running in roster:
        running.child.end()
    counted = _instructions(on, roster, requests, options) if instructions else {}
    _show(samples, shares, counted, by_call, options)
    path = report.write(
        "compare",
        {
            "options": asdict(options),
            "candidate_percent": shares,
            "medians": {name: Sample.middle(of)._asdict() for name, of in samples.items()},
            "rounds": {name: [sample._asdict() for sample in of] for name, of in samples.items()},
            "instructions_per_request": counted,
            "system_calls_per_request": by_call,
        },
    )
    report.say(f"\n{path}")
    return 0


def candidate_percent(on: Stage, running: Running, requests: Sequence[bytes]) -> float:
    """What share of the requests the candidate answered; raises Failed when anything but 200 came back."""
    answers = load.exactly(running.port, requests, _SHARE_REQUESTS)
    if answers.errors:
        raise Failed(f"{running.name} answered {answers.errors} of {_SHARE_REQUESTS} requests not with 200")
    return 100 * answers.by_port[on.candidate] / _SHARE_REQUESTS


def _with_progress(measure: Callable[[Running], Sample]) -> Callable[[Running], Sample]:
    def measured(running: Running) -> Sample:
        sample = measure(running)
        report.progress(f"{running.name}: {sample.cpu_us:.1f} µs of CPU, {sample.per_second:,.0f} requests/s")
        return sample

    return measured


def _system_calls(
    roster: Sequence[Running], requests: Sequence[bytes], options: Options
) -> dict[str, dict[str, float]]:
    if not counts.has_strace():
        report.progress(f"no system calls: strace is not installed, get {counts.GET_STRACE}")
        return {}
    counted = {}
    for running in roster:
        try:
            counted[running.name] = counts.system_calls(running, requests, _CALL_RUNS, options.connections)
        except Failed as failed:
            report.progress(f"no system calls of {running.name}: {failed}")
    return counted


def _instructions(
    on: Stage, roster: Sequence[Running], requests: Sequence[bytes], options: Options
) -> dict[str, float]:
    if not counts.has_callgrind():
        report.progress(f"no instructions: callgrind is not installed, get {counts.GET_CALLGRIND}")
        return {}
    counted = {}
    for running in roster:
        try:
            counted[running.name] = counts.instructions(
                on, running.peer, requests, _INSTRUCTION_RUNS, options.connections
            )
            report.progress(f"{running.name}: {counted[running.name]:,.0f} instructions per request")
        except Failed as failed:
            report.progress(f"no instructions of {running.name}: {failed}")
    return counted


def _show(
    samples: dict[str, list[Sample]],
    shares: dict[str, float],
    counted: dict[str, float],
    by_call: dict[str, dict[str, float]],
    options: Options,
) -> None:
    middle = {name: Sample.middle(of) for name, of in samples.items()}
    calls = {name: sum(of.values()) for name, of in by_call.items()}
    cpu = {name: sample.cpu_us for name, sample in middle.items()}
    report.show(
        f"One request, 90/10 split, {options.connections} connections, one worker each "
        f"(medians of {options.rounds} interleaved rounds of {options.seconds:g} s)",
        ("proxy", "CPU µs", "x nginx", "x envoy", "requests/s", "p50 ms", "p99 ms", "errors", "candidate %"),
        [
            (
                name,
                shown(sample.cpu_us),
                *(shown(ratio(sample.cpu_us, cpu.get(base, math.nan)), 2) for base in ("nginx", "envoy")),
                shown(sample.per_second, 0),
                shown(sample.p50_ms, 2),
                shown(sample.p99_ms, 2),
                str(sample.errors),
                shown(shares[name]),
            )
            for name, sample in middle.items()
        ],
    )
    report.show(
        "What repeats exactly, of the process that carries the traffic, per request",
        ("proxy", "user instructions", "x nginx", "x envoy", "system calls", "x nginx", "which"),
        [
            (
                name,
                shown(counted.get(name, math.nan), 0),
                *(
                    shown(ratio(counted.get(name, math.nan), counted.get(base, math.nan)), 2)
                    for base in ("nginx", "envoy")
                ),
                shown(calls.get(name, math.nan), 2),
                shown(ratio(calls.get(name, math.nan), calls.get("nginx", math.nan)), 2),
                ", ".join(f"{call} {count:.2f}" for call, count in list(by_call.get(name, {}).items())[:5]),
            )
            for name in middle
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
