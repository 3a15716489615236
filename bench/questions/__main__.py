"""Ask some or all questions.

python -m bench.questions [--quick] [NAME ...]
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from bench import questions, report
from bench.processes import Failed, end_on_sigterm
from bench.rounds import Options
from bench.stage import stage


def main(words: Sequence[str] | None = None) -> int:
    """Ask the named questions, each on a stage of its own; the exit code is 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.questions", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(questions.NAMES)} (default: all)")
    Options.add_to(parser)
    arguments = parser.parse_args(words)
    if unknown := set(arguments.names) - set(questions.NAMES):
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    failures = 0
    with end_on_sigterm():
        for name in arguments.names or questions.NAMES:
            try:
                _ask(name, Options.of(arguments))
            except Failed as failed:
                sys.stderr.write(f"bench: {name}: {failed}\n")
                failures += 1
    return 1 if failures else 0


def _ask(name: str, options: Options) -> None:
    question = importlib.import_module(f"bench.questions.{name}")
    with stage() as on:
        os.sched_setaffinity(0, on.cores.others)
        answer: questions.Answer = question.ask(on, options)
    title = (question.__doc__ or name).partition("\n")[0]
    report.show(f"{title} ({options.rounds} rounds)", answer.head, answer.rows, *answer.notes)
    report.write(name, {"options": asdict(options), "figures": answer.figures})


if __name__ == "__main__":
    sys.exit(main())
