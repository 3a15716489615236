"""The oracle: what openfeature-flagd-core says, next to what Shunt says.

python -m tests.flags.oracle 100000                       against the installed core (2.x, v3)
PYTHONPATH=<core 1.0.0> python -m tests.flags.oracle 100000 v2
PYTHONPATH=<core 1.0.0> python -m tests.flags.oracle record      writes v2_vectors.json
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import random
import sys
from pathlib import Path

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from proxy.flags.bucketing import Version
from proxy.flags.flag import Context
from proxy.flags.flagset import Document, FlagSet, Sources, assign, compiled
from tests.flags import pairs

VECTORS = Path(__file__).with_name("v2_vectors.json")
FLAGS_PER_DOCUMENT = 40
CONTEXTS_PER_DOCUMENT = 25

Answer = list[object]
"""Value, variant, reason; `["ERROR"]` when there is none."""


def ours(flags: FlagSet, key: str, targeting_key: str | None, attributes: dict[str, object]) -> Answer:
    """What Shunt says."""
    decision = assign(flags, key, Context(targeting_key, attributes))
    return ["ERROR"] if decision.reason == "ERROR" else [decision.value, decision.variant, decision.reason]


def theirs(core: FlagdCore, key: str, targeting_key: str | None, attributes: dict[str, object]) -> Answer:
    """What flagd's core says; None stands for the application's default."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = core._resolve(key, None, EvaluationContext(targeting_key, attributes))
    except Exception:  # noqa: BLE001 - an oracle that fails in any way has no answer
        return ["ERROR"]
    return [found.value, found.variant, str(found.reason)]


def compare(count: int, bucketing: Version, seed: int = 1) -> tuple[int, list[str]]:
    """How many pairs were compared, and the differences in words."""
    logging.disable(logging.CRITICAL)
    dice = random.Random(seed)
    compared, differences = 0, []
    while compared < count:
        written = json.dumps(pairs.document(dice, FLAGS_PER_DOCUMENT))
        core = FlagdCore()
        core.set_flags(written)
        flags = compiled(Sources(bucketing=bucketing, documents=(Document("random", json.loads(written)),)))
        for _ in range(CONTEXTS_PER_DOCUMENT):
            context = pairs.context(dice)
            for key in flags.flags:
                compared += 1
                mine, oracle = ours(flags, key, *context), theirs(core, key, *context)
                if mine != oracle:
                    differences.append(f"{json.loads(written)['flags'][key]} for {context}: {mine}, not {oracle}")
    return compared, differences


def record() -> None:
    """Write what core 1.0.0 says, for tests that have only 2.x at hand."""
    logging.disable(logging.CRITICAL)
    dice = random.Random(2)
    document = pairs.document(dice, 80)
    contexts = [pairs.context(dice) for _ in range(40)]
    core = FlagdCore()
    core.set_flags(json.dumps(document))
    flags = document["flags"]
    assert isinstance(flags, dict)
    answers = {key: [theirs(core, key, *context)[1:] for context in contexts] for key in flags}
    VECTORS.write_text(json.dumps({"document": document, "contexts": contexts, "answers": answers}) + "\n")


def main() -> None:
    if sys.argv[1:] == ["record"]:
        return record()
    compared, differences = compare(int(sys.argv[1]), "v2" if sys.argv[2:] == ["v2"] else "v3")
    for difference in differences[:20]:
        sys.stdout.write(f"{difference}\n")
    sys.stdout.write(f"{compared} pairs, {len(differences)} differences\n")
    return None


if __name__ == "__main__":
    main()
