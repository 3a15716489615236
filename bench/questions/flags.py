"""What does a feature flag cost that draws the split, and what to tell the application of it?

Bar: at most 5 % more instructions per request than with a static weight.
"""

from __future__ import annotations

import math

from bench import counts, peers, traffic
from bench.figures import ratio, shown
from bench.questions import Answer, under_load
from bench.rounds import Options, Sample
from bench.stage import Stage

_RUNS = (1000, 3000)
_WEIGHT = "weight: 10}"
_BY_FLAG = "flag: new}"
_BY_TARGETING = "flag: targeted}"
_TOLD = "\n    flag_headers: [new]\n"
_PLAIN = "10%"
_TARGETED = """
flags:
  targeted:
    state: ENABLED
    variants: {"on": true, "off": false}
    defaultVariant: "off"
    targeting: {fractional: [["on", 10], ["off", 90]]}
"""


def ask(on: Stage, options: Options) -> Answer:
    """Instructions and CPU of the same 90/10 split by a weight, by a flag's percentage, and by a flag's targeting."""
    folder = on.folder / "flags"
    folder.mkdir()
    (folder / "new").write_text(_PLAIN)
    (folder / "targeted.flagd.yaml").write_text(_TARGETED)
    given = ("--flags", str(folder), "--ofrep", "127.0.0.1:0")
    static = peers.template("rules.yaml")
    cases = {
        "weight": static,
        "flag": static.replace(_WEIGHT, _BY_FLAG),
        "flag with targeting": static.replace(_WEIGHT, _BY_TARGETING),
        "flag, told": static.replace(_WEIGHT, _BY_FLAG) + _TOLD,
    }
    requests = traffic.requests()
    samples = under_load(on, options, [peers.shunt(name, rules, *given) for name, rules in cases.items()], requests)
    rows, figures, base = [], dict[str, object](), math.nan
    for name, rules in cases.items():
        counted = math.nan
        if counts.has_callgrind() and not options.is_quick:
            counted = counts.instructions(on, peers.shunt(name, rules, *given), requests, _RUNS, options.connections)
        base = counted if math.isnan(base) else base
        cpu = Sample.middle(samples[name]).cpu_us if name in samples else math.nan
        rows.append((name, shown(counted, 0), shown(100 * (ratio(counted, base) - 1)), shown(cpu)))
        figures[name] = {"instructions": counted, "cpu_us": cpu}
    return Answer(("split by", "instructions", "growth %", "CPU µs"), rows, figures)
