"""Children are fresh processes with one inherited descriptor, their lifeline; all else is sent through it.

Standard library only: the supervisor loads this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from proxy.processes.lifeline import Lifeline

_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Child:
    """One running process of ours; `slot` is a worker's, -1 for the brain."""

    __slots__ = ("is_ended", "is_ready", "lifeline", "pid", "slot")

    def __init__(self, pid: int, lifeline: Lifeline, slot: int) -> None:
        self.pid = pid
        self.lifeline = lifeline
        self.slot = slot
        self.is_ready = False
        """It serves."""
        self.is_ended = False
        """It was reaped: its id may belong to a stranger by now."""

    @classmethod
    def spawn(cls, module: str, slot: int) -> Child:
        """Start `python -m module <lifeline>`; no fork of our memory, so a child is as small as its imports."""
        ours, theirs = Lifeline.pair()
        number = theirs.fileno()
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", module, str(number)],
            os.environ,
            # A dup onto itself clears close-on-exec in the child alone, see posix_spawn_file_actions_adddup2(3p).
            file_actions=[(os.POSIX_SPAWN_DUP2, number, number)],
            setsigmask=(),
        )
        theirs.close()
        return cls(pid, ours, slot)

    @classmethod
    def inherited(cls, pid: int, slot: int, lifeline: int, *, is_ready: bool) -> Child:
        """A child that this process started before it became what it is now."""
        child = cls(pid, Lifeline.from_descriptor(lifeline), slot)
        child.is_ready = is_ready
        return child

    def kill(self) -> None:
        """End it at once, unless it has ended by itself; it stays ours until it is reaped."""
        if self.is_ended:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def leave_signals_to_the_supervisor() -> None:
    """A terminal and some service managers signal every process; a child hears of it through its lifeline."""
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
