"""The soak: the fault scenarios of the tests at their full length, `python -m bench.soak [SCENARIO…] [--minutes N]`.

Every row says what was asked, what failed, and the counts that the scenario is about, with what may fail beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

# The very scenarios that the tests run in small; they live with the tests, outside any package.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from live import scenarios
from live.conftest import StartShunt
from live.instance import Instance, launch
from live.scenarios import Seen

PER_SECOND = 500.0


class Scenario(NamedTuple):
    """One row."""

    allowed: str
    is_good: Callable[[Seen], bool]
    run: Callable[[StartShunt, float], Awaitable[Seen]]
    """Takes what starts an instance, and the minutes for what may last."""


def _nothing_failed(seen: Seen) -> bool:
    return not seen.failed


def _is_clean(seen: Seen) -> bool:
    clear = all(what.startswith(("502", "503", "504", "ConnectionError")) for what in seen.failed)
    small = seen.counts["grown descriptors"] <= 8 and seen.counts["grown bytes"] < 32 << 20
    ended = not (seen.counts["in flight at the end"] or seen.counts["connections at the end"])
    return clear and small and ended and not seen.counts["restarted workers"]


SCENARIOS = {
    "rolling-restart": Scenario(
        "0 failed",
        _nothing_failed,
        lambda start, minutes: scenarios.rolling_restart(start, per_second=PER_SECOND),
    ),
    "kill-get": Scenario(
        "0 failed",
        _nothing_failed,
        lambda start, minutes: scenarios.kill_one_target(start, "GET", per_second=PER_SECOND, seconds=15),
    ),
    "kill-post": Scenario(
        "only those in flight on it",
        lambda seen: not seen.counts["failed without having been in flight"],
        lambda start, minutes: scenarios.kill_one_target(start, "POST", per_second=PER_SECOND, seconds=15),
    ),
    "silent": Scenario(
        "only over their timeout; ejected; memory flat",
        lambda seen: (
            seen.counts["failed"] <= seen.counts["sent to the silent one"]
            and not seen.counts["failed after ejection"]
            and seen.counts["grown bytes"] < 8 << 20
        ),
        lambda start, minutes: scenarios.silent_target(start, per_second=PER_SECOND, seconds=30),
    ),
    "dead-candidate": Scenario(
        "0 failed, counted against the candidate",
        lambda seen: not seen.failed and seen.counts["counted against the candidate"] > 0.08 * seen.asked,
        lambda start, minutes: scenarios.dead_candidate(start, per_second=PER_SECOND, seconds=30),
    ),
    "busy": Scenario(
        "at most 1.2 x requests at the targets",
        lambda seen: seen.counts["at the targets"] <= 1.2 * seen.asked + seen.counts["floor"],
        lambda start, minutes: scenarios.busy_targets(start, per_second=PER_SECOND, seconds=2),
    ),
    "upgrade": Scenario(
        "20 times, 0 failed, 0 refused",
        lambda seen: not seen.failed and seen.counts["upgraded"] == 20,
        lambda start, minutes: scenarios.upgrades(start, times=20, per_second=PER_SECOND),
    ),
    "sigterm": Scenario(
        "all finish; exit 0",
        lambda seen: not seen.failed and not seen.counts["exit code"],
        lambda start, minutes: scenarios.leave_with_requests_in_flight(start, requests=200, seconds=2),
    ),
    "hold": Scenario(
        "0 failed; each waited at most its max",
        lambda seen: not seen.failed and seen.slowest_seconds < 10,
        lambda start, minutes: scenarios.hold(start, per_second=200, seconds=3),
    ),
    "forgotten-hold": Scenario(
        "0 failed; ends by itself",
        _nothing_failed,
        lambda start, minutes: scenarios.hold(start, per_second=200, seconds=3, forgotten=True),
    ),
    "dns": Scenario(
        "new requests on B within ttl + 1 s; those on A finish",
        lambda seen: (
            not seen.failed
            and seen.counts["in flight on the old target, answered"] == 20
            and not seen.counts["at the old target after ttl + 1 s"]
        ),
        lambda start, minutes: scenarios.moved_name(start, per_second=PER_SECOND, ttl_seconds=2),
    ),
    "drip": Scenario(
        "5,000 cut at the head timeout; others unharmed",
        lambda seen: not seen.failed and seen.counts["cut with 408"] == 5000,
        lambda start, minutes: scenarios.dripping_clients(start, drips=5000, per_second=100, head_seconds=10),
    ),
    "idle": Scenario(
        "10,000 of at most 15 KB each; active ones answered",
        lambda seen: not seen.failed and seen.counts["still open"] == 10_000 and seen.counts["bytes each"] <= 15 << 10,
        lambda start, minutes: scenarios.idle_connections(start, idle=10_000, per_second=100),
    ),
    "chaos": Scenario(
        "no crash, no leak, every failure clear",
        _is_clean,
        lambda start, minutes: scenarios.chaos(start, per_second=1000, seconds=60 * minutes),
    ),
}


async def play(name: str, minutes: float) -> bool:
    """Run one scenario and print its row; whether it kept to what is allowed."""
    scenario = SCENARIOS[name]
    started: list[Instance] = []
    with tempfile.TemporaryDirectory(prefix="shunt-soak-") as folder:

        async def start(rules: str, *options: str, **settings: str) -> Instance:
            directory = Path(folder) / str(len(started))
            directory.mkdir()
            config = directory / "shunt.yaml"
            config.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
            instance = await launch(directory, rules, *options, *(["--config", str(config)] if settings else []))
            started.append(instance)
            await instance.wait_serving()
            return instance

        try:
            seen = await scenario.run(start, minutes)
        finally:
            for instance in started:
                await instance.end()
    is_good = scenario.is_good(seen)
    counts = ", ".join(f"{count:g} {what}" for what, count in seen.counts.items())
    failed = ", ".join(f"{count} x {what}" for what, count in seen.failed.items()) or "none"
    sys.stdout.write(f"{'ok  ' if is_good else 'FAIL'} {name:16} allowed: {scenario.allowed}\n")
    sys.stdout.write(f"     asked {seen.asked}, failed: {failed}; slowest {seen.slowest_seconds:.2f} s; {counts}\n")
    sys.stdout.flush()
    return is_good


def main() -> int:
    """Run the named scenarios, or all; 1 when one of them did not keep to what is allowed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, []], help="all when none is named")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the chaos lasts")
    said = parser.parse_args()
    good = [asyncio.run(play(name, said.minutes)) for name in said.scenario or SCENARIOS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
