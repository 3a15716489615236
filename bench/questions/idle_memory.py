"""How much memory does a proxy hold that has nothing to do?

Bar: supervisor, brain and one worker together at most 75 MB.
"""

from __future__ import annotations

import time

from bench import peers
from bench.figures import shown
from bench.questions import Answer
from bench.rounds import Options
from bench.stage import Stage

_REST_SECONDS = 2.0


def ask(on: Stage, options: Options) -> Answer:
    """The proportional set size (PSS) of all processes of each peer, some seconds after its first answer."""
    running = on.start_all(options.chosen(peers.everybody()))
    time.sleep(_REST_SECONDS)
    held = {one.name: one.child.pss_bytes() / 1e6 for one in running}
    processes = {one.name: len(one.child.pids()) for one in running}
    rows = [(name, shown(megabytes), str(processes[name])) for name, megabytes in held.items()]
    return Answer(("proxy", "PSS MB", "processes"), rows, {"pss_mb": held, "processes": processes})
