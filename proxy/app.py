"""The composition root: from settings to a running instance."""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import replace

from proxy.processes.cpus import worker_count
from proxy.processes.handed import write_settings
from proxy.processes.held import make_memory
from proxy.processes.launch import Launch
from proxy.settings import Settings


def run(settings: Settings, origin: str = "") -> int:
    """Become the supervisor of an instance with these settings; the exit code if that is not possible.

    `origin` says where the settings came from, so that an upgrade can read them again; see `proxy.cli.trial`.

    The process is replaced (exec): it keeps its id and its standard streams, and nothing of the command
    line's memory. Once the instance serves it prints one line with its addresses. Its exit code is 0 after
    SIGTERM or SIGINT, 2 when an address is taken or the rules are broken, with the reasons on stderr.
    """
    settings = replace(settings, name=settings.name or f"shunt-{secrets.token_hex(4)}")
    launch = Launch(
        listen=list(settings.listen),
        admin=settings.admin,
        telemetry=settings.telemetry,
        ofrep=settings.ofrep if settings.flags else "",
        workers=worker_count() if settings.workers == "auto" else settings.workers,
        grace_seconds=settings.drain.grace,
        bound_seconds=settings.drain.bound,
        settings=write_settings(settings),
        memory=[make_memory("state"), make_memory("rules"), make_memory("flags")],
        name=settings.name,
        origin=origin,
    )
    number = os.memfd_create("shunt-launch", 0)
    os.write(number, json.dumps(launch._asdict()).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "proxy.supervisor", str(number)])
