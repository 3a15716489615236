"""A vigil: one loop that hears signals, lifelines and the clock, and never does more than that.

Standard library only: the supervisor loads this.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Callable

from proxy.processes.children import Child
from proxy.processes.lifeline import Message

HEARD = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Vigil:
    """Who is watched, and what is due when."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._children: dict[int, Child] = {}
        """By the descriptor of the lifeline."""
        self._agenda: list[tuple[float, Callable[[], None]]] = []
        self._wakeup, theirs = socket.socketpair()
        self._wakeup.setblocking(False)
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, lambda *_: None)
        # A supervisor that became this one by exec kept them blocked, so that none came while nobody listened.
        unblock_signals()
        self._poll.register(self._wakeup, select.POLLIN)

    def watch(self, child: Child) -> None:
        """Hear this child from now on."""
        self._children[child.lifeline.fileno()] = child
        self._poll.register(child.lifeline, select.POLLIN)

    def forget(self, child: Child) -> None:
        """Hear it no more."""
        if self._children.pop(child.lifeline.fileno(), None) is not None:
            self._poll.unregister(child.lifeline)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self._agenda.append((time.monotonic() + seconds, act))

    def wait(
        self,
        on_signal: Callable[[int], None],
        on_message: Callable[[Child, Message], None],
        on_end: Callable[[Child], None],
    ) -> None:
        """Wait until something happens, and say what; `on_end`: a child's lifeline has ended."""
        for number, _ in self._poll.poll(self._patience_ms()):
            if number == self._wakeup.fileno():
                for signalled in self._wakeup.recv(4096):
                    on_signal(signalled)
            elif number in self._children:
                _hear(self._children[number], on_message, on_end)
        self._keep_agenda()

    def close(self) -> None:
        """Let go of the signals."""
        self._wakeup.close()

    def _patience_ms(self) -> float | None:
        if not self._agenda:
            return None
        return max(0.0, min(due for due, _ in self._agenda) - time.monotonic()) * 1000 + 1

    def _keep_agenda(self) -> None:
        now = time.monotonic()
        due = [act for when, act in self._agenda if when <= now]
        self._agenda = [entry for entry in self._agenda if entry[0] > now]
        for act in due:
            act()


def _hear(child: Child, on_message: Callable[[Child, Message], None], on_end: Callable[[Child], None]) -> None:
    try:
        for message in child.lifeline.hear():
            on_message(child, message)
    except EOFError:
        on_end(child)


def block_signals() -> None:
    """Let signals wait until another vigil begins in this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)


def unblock_signals() -> None:
    """Hear those that waited."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
