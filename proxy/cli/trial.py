"""A trial: could this code, as it is on the disk now, serve these rules? Asked before it takes over."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from proxy import config
from proxy.errors import Invalid, ShuntError
from proxy.processes.children import leave_signals_to_the_supervisor
from proxy.processes.handed import write_settings
from proxy.processes.lifeline import Lifeline
from proxy.settings import Settings

_ROLES = ("proxy.supervisor", "proxy.worker", "proxy.control.brain")
_MOST_CHARACTERS = 4000


def settings_of(origin: str, name: str) -> Settings:
    """The settings as they are now, from the file, the environment and what the command line said; raises Faults."""
    if not origin:
        raise Invalid("this instance was not started by `shunt run`")
    asked = json.loads(origin)
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in asked["said"].items()}
    return replace(config.load_settings(asked["config"], os.environ, said), name=name)


def main() -> int:
    """Read settings and rules, load every role, and tell the supervisor at the end of the lifeline what came of it."""
    leave_signals_to_the_supervisor()
    with closing(Lifeline.from_descriptor(int(sys.argv[1]))) as lifeline:
        os.set_blocking(lifeline.fileno(), True)
        origin, name = next(lifeline.hear()).rest
        try:
            settings = settings_of(origin, name)
            config.load(Path(settings.rules))
            for role in _ROLES:
                importlib.import_module(role)
        except (ShuntError, ImportError, SyntaxError) as unfit:
            lifeline.tell("unfit", *str(unfit)[:_MOST_CHARACTERS].splitlines())
            return 1
        drain = settings.drain
        lifeline.tell("fit", drain.grace, drain.bound, descriptors=[write_settings(settings)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
