"""The claims about the judge, played and printed.

python -m bench.decide [--full] [--only TEXT]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from bench.decide.costs import Cost, costs
from bench.decide.scenarios import Result, run, scenarios

OUT = Path(__file__).parent.parent / "out"
HEADINGS = ("runs", "good", "bar", "median", "p95", "Flagger", "z-test")


def main() -> int:
    """Play, print, write; 1 if a bar is missed."""
    options = _options()
    started = monotonic()
    print(f"{'scenario':58}" + "".join(f"{heading:>9}" for heading in HEADINGS))  # noqa: T201
    results = []
    for scenario in scenarios():
        if options.only in scenario.name:
            results.append(run(scenario, is_full=options.full))
            print(_line(results[-1]), flush=True)  # noqa: T201
    figures = [] if options.only else costs()
    for cost in figures:
        print(_cost_line(cost))  # noqa: T201
    missed = sum(not each.has_passed for each in [*results, *figures])
    print(f"{missed} of {len(results) + len(figures)} missed, {monotonic() - started:.0f} s")  # noqa: T201
    _write(results, figures, is_full=options.full)
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.decide", description=__doc__)
    parser.add_argument("--full", action="store_true", help="thousands of runs each: an hour, not minutes")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    return parser.parse_args()


def _line(result: Result) -> str:
    requests = "".join(f"{'' if n is None else f'{n:,.0f}':>9}" for n in (result.median_requests, result.p95_requests))
    rivals = "".join(f"{'' if share is None else f'{share:.0%}':>9}" for share in (result.flagger, result.z_test))
    passed = "" if result.has_passed else "  MISSED"
    return f"{result.name:58}{result.runs:9,}{result.good:9.1%}{result.bar:9.1%}{requests}{rivals}{passed}"


def _cost_line(cost: Cost) -> str:
    figure, most = f"{cost.figure:.2f} {cost.unit}", f"≤ {cost.most:g} {cost.unit}"
    return f"{cost.name:58}{figure:>18}{most:>18}{'' if cost.has_passed else '  MISSED'}"


def _write(results: list[Result], figures: list[Cost], *, is_full: bool) -> None:
    OUT.mkdir(exist_ok=True)
    said = {
        "full": is_full,
        "scenarios": [{**asdict(result), "passed": result.has_passed} for result in results],
        "costs": [{**asdict(cost), "passed": cost.has_passed} for cost in figures],
    }
    (OUT / "decide.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
