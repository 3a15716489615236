"""Top: who gets how much, how fast and how well, drawn from the differences of two looks."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import click

from proxy.cli.client import Client, Json
from proxy.cli.options import DURATION, with_client, with_output
from proxy.cli.output import console, number, sequence, show, table


class Rate(NamedTuple):
    """One version between two looks."""

    service: str
    version: str
    per_second: float
    share_percent: float
    errors_percent: float
    p50_ms: float
    p99_ms: float
    in_flight: int


@click.command(epilog="Example: shunt top --interval 1s")
@click.option("--interval", type=DURATION, default="2s", show_default=True, help="How long to look each time.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="How many looks; 0: until interrupted.")
@with_output
@with_client
def top(client: Client, interval: float, count: int, output: str) -> None:
    """Show requests per second, share, errors and latency of each version, live."""
    looks = _looks(client, interval, count)
    # Ctrl-C is how a watch ends.
    with suppress(KeyboardInterrupt):
        if output == "table":
            _draw(looks)
        else:
            for found in looks:
                show([dict(rate._asdict()) for rate in found], output, list)
                sys.stdout.flush()


def _draw(looks: Iterator[list[Rate]]) -> None:
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        for found in looks:
            live.update(table("", _COLUMNS, [_row(rate) for rate in found]), refresh=True)


def _looks(client: Client, interval: float, count: int) -> Iterator[list[Rate]]:
    before, since = client.get("/v1/traffic"), time.monotonic()
    for _ in range(count) if count else itertools.count():
        time.sleep(interval)
        now, at = client.get("/v1/traffic"), time.monotonic()
        yield rates(before, now, at - since)
        before, since = now, at


_COLUMNS = ("service", "version", "#req/s", "#share", "#errors", "#p50", "#p99", "#in flight")


def _row(rate: Rate) -> list[str]:
    share, errors = f"{rate.share_percent:.1f} %", f"{rate.errors_percent:.2f} %"
    p50, p99 = f"{rate.p50_ms:.1f} ms", f"{rate.p99_ms:.1f} ms"
    is_idle = not rate.per_second
    times = ["", "", "", ""] if is_idle else [share, errors, p50, p99]
    return [rate.service, rate.version, f"{rate.per_second:.1f}", *times, str(rate.in_flight)]


def rates(before: dict[str, Json], now: dict[str, Json], seconds: float) -> list[Rate]:
    """What happened between two looks; counters that went back began again at 0."""
    bounds = [number(bound) for bound in now["bounds_seconds"]] if isinstance(now["bounds_seconds"], list) else []
    old = {(one["service"], one["version"]): one for one in sequence(before["versions"])}
    seen = [(one, _since(one, old.get((one["service"], one["version"]), {}))) for one in sequence(now["versions"])]
    total: dict[Json, float] = {}
    for one, (requests, _, _) in seen:
        total[str(one["service"])] = total.get(str(one["service"]), 0.0) + requests
    return [
        Rate(
            service=str(one["service"]),
            version=str(one["version"]),
            per_second=requests / seconds,
            share_percent=100 * requests / (total[str(one["service"])] or 1),
            errors_percent=100 * errors / (requests or 1),
            p50_ms=1000 * quantile(0.5, buckets, bounds),
            p99_ms=1000 * quantile(0.99, buckets, bounds),
            in_flight=int(number(one["in_flight"])),
        )
        for one, (requests, errors, buckets) in seen
    ]


def quantile(part: float, buckets: Sequence[float], bounds: Sequence[float]) -> float:
    """The value below which that part lies, as Prometheus estimates it: linear within a bucket."""
    rank = part * sum(buckets)
    if not rank:
        return 0.0
    passed = 0.0
    lower = 0.0
    for count, upper in zip(buckets, bounds, strict=False):
        if passed + count >= rank and count:
            return lower + (upper - lower) * (rank - passed) / count
        passed += count
        lower = upper
    return lower


def _since(now: dict[str, Json], old: dict[str, Json]) -> tuple[float, float, list[float]]:
    began_again = number(old.get("requests", 0)) > number(now["requests"])
    base: dict[str, Json] = {} if began_again else old
    counts = [number(count) for count in now["buckets"]] if isinstance(now["buckets"], list) else []
    known = base.get("buckets")
    former = [number(count) for count in known] if isinstance(known, list) else [0.0] * len(counts)
    buckets = [count - before for count, before in zip(counts, former, strict=False)]
    return (
        number(now["requests"]) - number(base.get("requests", 0)),
        number(now["errors"]) - number(base.get("errors", 0)),
        buckets,
    )
