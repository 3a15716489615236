"""How much memory does an idle kept connection hold?

Bar: at most 12 KB each, 10,000 of them.
"""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack

from bench import peers, traffic
from bench.figures import shown
from bench.processes import LOOPBACK, Failed
from bench.questions import Answer
from bench.rounds import Options
from bench.stage import Running, Stage

_CONNECTIONS = 10_000
_AT_ONCE = 100
_SPARE_FILES = 500


def ask(on: Stage, options: Options) -> Answer:
    """Memory of each peer before and after 10,000 connections of which each has had one answer."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(_CONNECTIONS, most - _SPARE_FILES)
    rows, figures = [], {}
    for one in on.start_all(options.chosen([peers.shunt(), peers.nginx(), peers.envoy()])):
        try:
            each = _bytes_each(one, count)
        except (OSError, Failed) as failed:
            rows.append((one.name, "-", str(failed)))
            continue
        finally:
            one.child.end()
        rows.append((one.name, shown(each / 1e3, 2), shown(count, 0)))
        figures[one.name] = each
    return Answer(("proxy", "KB each", "connections"), rows, {"bytes_each": figures})


def _bytes_each(one: Running, count: int) -> float:
    requests = traffic.requests(variety=_AT_ONCE)
    connections: list[socket.socket] = []
    with ExitStack() as opened:

        def batch() -> None:
            fresh = [opened.enter_context(socket.create_connection((LOOPBACK, one.port), 10)) for _ in requests]
            for connection, request in zip(fresh, requests, strict=True):
                connection.sendall(request)
            for connection in fresh:
                if not connection.recv(65536):
                    raise Failed("closed a connection")
            connections.extend(fresh)

        batch()
        before = one.child.pss_bytes()
        for _ in range(count // _AT_ONCE - 1):
            batch()
        each = (one.child.pss_bytes() - before) / (count - _AT_ONCE)
        for connection in connections:  # they were all still there
            connection.sendall(requests[0])
            if not connection.recv(65536):
                raise Failed("closed a connection")
        return each
