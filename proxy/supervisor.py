"""The supervisor holds what must outlive every crash, the sockets, and starts again what dies.

No HTTP, no YAML, no rules: nothing here can be brought down by a request or by a file. It is started by
`proxy.app.run` through exec, so it keeps the process id and none of the command line's memory.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from proxy.errors import ShuntError
from proxy.processes import listeners
from proxy.processes.children import Child
from proxy.processes.launch import Launch, Sockets
from proxy.processes.lifeline import Message
from proxy.processes.respawn import Deaths

_BRAIN = -1
_HANDLED = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_ALONE_SECONDS = 0.5
"""The longest back-off where no neighbour helps out: no connection waits more than a second for an owner."""
_STOP_SECONDS = 5.0
"""What a child may take to end after it was told to, before it is killed."""


class Supervisor:
    """One loop over lifelines, signals and an agenda."""

    def __init__(self, launch: Launch, sockets: Sockets) -> None:
        self._launch = launch
        self._sockets = sockets
        self._poll = select.poll()
        self._brain: Child | None = None
        self._workers: dict[int, Child] = {}
        self._adopters: dict[int, int] = {}
        """Slots without an owner, and the slot of the neighbour that accepts there meanwhile."""
        self._deaths: dict[int, Deaths] = {}
        self._agenda: list[tuple[float, Callable[[], None]]] = []
        self._has_served = False
        self._is_leaving = False
        self._is_draining = False
        self._exit_code: int | None = None

    def run(self) -> int:
        """Serve until told to leave; the exit code."""
        wakeup = self._hear_signals()
        for slot in range(self._launch.workers):
            self._start_worker(slot)
        self._start_brain()
        while self._exit_code is None:
            self._listen(wakeup)
            self._reap()
            self._keep_agenda()
        self._end_all()
        self._sockets.close()
        wakeup.close()
        return self._exit_code

    # --- waiting -----------------------------------------------------------------------

    def _hear_signals(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, lambda *_: None)
        self._poll.register(ours, select.POLLIN)
        return ours

    def _listen(self, wakeup: socket.socket) -> None:
        speakers = {child.lifeline.fileno(): child for child in self._children()}
        for number, _ in self._poll.poll(self._patience_ms()):
            if number == wakeup.fileno():
                for signalled in wakeup.recv(4096):
                    self._on_signal(signalled)
            elif number in speakers:
                self._hear(speakers[number])

    def _hear(self, child: Child) -> None:
        try:
            for message in child.lifeline.hear():
                self._on_message(child, message)
        except EOFError:
            # It is about to end, with an exit code that counts; only one that stays behind is helped along.
            self._poll.unregister(child.lifeline)
            self._after(_STOP_SECONDS, child.kill)

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

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._agenda.append((time.monotonic() + seconds, act))

    # --- starting ----------------------------------------------------------------------

    def _children(self) -> list[Child]:
        return [*self._workers.values(), *([self._brain] if self._brain else [])]

    def _start_worker(self, slot: int) -> None:
        if self._is_draining:
            return
        worker = self._workers[slot] = Child.spawn("proxy.worker", slot)
        self._poll.register(worker.lifeline, select.POLLIN)
        self._tell(worker, "settings", slot, descriptors=[self._launch.settings])
        self._tell(worker, "listen", slot, descriptors=self._sockets.of_slot(slot))
        self._join(worker)

    def _start_brain(self) -> None:
        if self._is_draining:
            return
        brain = self._brain = Child.spawn("proxy.control.brain", _BRAIN)
        self._poll.register(brain.lifeline, select.POLLIN)
        self._tell(brain, "settings", descriptors=[self._launch.settings])
        self._tell(brain, "memory", descriptors=self._launch.memory)
        self._tell(brain, "admin", descriptors=[self._sockets.admin.fileno()])
        self._tell(brain, "telemetry", descriptors=[self._sockets.telemetry.fileno()])
        self._tell(brain, "listening", *(listeners.url(group[0]) for group in self._sockets.groups))
        self._tell(brain, "begin", self._launch.workers, "again" if self._has_served else "first")
        if self._is_leaving:
            self._tell(brain, "leaving")
        for worker in self._workers.values():
            self._join(worker)

    def _join(self, worker: Child) -> None:
        """Give a worker and the brain a fresh channel: after a crash on either side the old one is of no use."""
        if self._brain is None:
            return
        one, other = socket.socketpair()
        with one, other:
            self._tell(worker, "channel", descriptors=[one.fileno()])
            self._tell(self._brain, "worker", worker.slot, worker.pid, descriptors=[other.fileno()])

    def _tell(self, child: Child, word: str, *rest: object, descriptors: list[int] | None = None) -> None:
        if not child.lifeline.tell(word, *rest, descriptors=descriptors or ()):
            child.kill()  # it is gone or has stopped reading: either way its successor will read

    # --- what children say -------------------------------------------------------------

    def _on_message(self, child: Child, message: Message) -> None:
        if message.word == "ready":
            self._on_ready(child)
        elif message.word == "serving":
            self._has_served = True
        elif message.word == "kill":
            slot, pid = map(int, message.rest)
            worker = self._workers.get(slot)
            if worker is not None and worker.pid == pid:
                worker.kill()

    def _on_ready(self, worker: Child) -> None:
        """Its slot has an owner again, and orphans that found no neighbour find one now."""
        worker.is_ready = True
        neighbour = self._workers.get(self._adopters.pop(worker.slot, _BRAIN))
        if neighbour is not None:
            self._tell(neighbour, "disown", worker.slot)
        for slot in range(self._launch.workers):
            if not self._is_owned(slot):
                self._find_neighbour(slot)

    def _is_owned(self, slot: int) -> bool:
        owner = self._workers.get(slot)
        return slot in self._adopters or (owner is not None and owner.is_ready)

    def _find_neighbour(self, slot: int) -> None:
        descriptors = self._sockets.only_of_slot(slot)
        neighbour = next((worker for worker in self._workers.values() if worker.is_ready), None)
        if descriptors and neighbour is not None:
            self._adopters[slot] = neighbour.slot
            self._tell(neighbour, "adopt", slot, descriptors=descriptors)

    # --- what ends ---------------------------------------------------------------------

    def _reap(self) -> None:
        """Take leave of every child that ended; as process 1 that includes strangers' orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._children():
                if child.pid == pid:
                    self._on_end(child, os.waitstatus_to_exitcode(status))

    def _on_end(self, child: Child, code: int) -> None:
        if child.lifeline.fileno() >= 0:
            self._forget_lifeline(child)
        if child is self._brain:
            self._brain = None
            self._on_brain_end(code)
        else:
            del self._workers[child.slot]
            self._on_worker_end(child, code)

    def _forget_lifeline(self, child: Child) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(child.lifeline)
        child.lifeline.close()

    def _on_worker_end(self, worker: Child, code: int) -> None:
        if self._brain is not None:
            self._tell(self._brain, "gone", worker.slot, worker.pid)
        if self._is_draining:
            if not self._workers:
                self._stop_brain()
            return
        for slot in [worker.slot, *(orphan for orphan, by in self._adopters.items() if by == worker.slot)]:
            self._adopters.pop(slot, None)
            self._find_neighbour(slot)
        self._start_again(worker.slot, f"worker {worker.slot} (pid {worker.pid})", code)

    def _on_brain_end(self, code: int) -> None:
        if self._is_draining:
            if not self._workers:
                self._exit_code = 0
        elif self._has_served:
            self._start_again(_BRAIN, "the control plane", code)
        else:
            self._exit_code = code if code > 0 else 1

    def _start_again(self, slot: int, name: str, code: int) -> None:
        delay = self._deaths.setdefault(slot, Deaths()).delay_after(time.monotonic())
        if slot not in self._adopters:
            delay = min(delay, _ALONE_SECONDS)
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        _say(f"{name} {how}; its successor starts {f'in {delay:g} s' if delay else 'at once'}")
        start = self._start_brain if slot == _BRAIN else lambda: self._start_worker(slot)
        if delay:
            self._after(delay, start)
        else:
            start()

    # --- leaving -----------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._brain is not None:
            self._tell(self._brain, "reload")
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._is_leaving:
                self._exit_code = 128 + number
            else:
                self._leave(self._launch.grace_seconds if number == signal.SIGTERM else 0.0)

    def _leave(self, grace_seconds: float) -> None:
        """Be unready at once, accept on for the grace, then drain."""
        self._is_leaving = True
        if self._brain is not None:
            self._tell(self._brain, "leaving")
        if grace_seconds:
            self._after(grace_seconds, self._drain)
        else:
            self._drain()

    def _drain(self) -> None:
        self._is_draining = True
        self._sockets.close_to_clients()
        for worker in self._workers.values():
            self._tell(worker, "drain", self._launch.bound_seconds)
        self._after(self._launch.bound_seconds + _STOP_SECONDS, self._kill_workers)
        if not self._workers:
            self._stop_brain()

    def _kill_workers(self) -> None:
        for worker in self._workers.values():
            worker.kill()

    def _stop_brain(self) -> None:
        if self._brain is None:
            self._exit_code = 0
            return
        self._tell(self._brain, "stop")
        self._after(_STOP_SECONDS, self._brain.kill)

    def _end_all(self) -> None:
        for child in self._children():
            child.kill()
            os.waitpid(child.pid, 0)
            child.lifeline.close()


def _say(line: str) -> None:
    sys.stderr.write(f"shunt: {line}\n")
    sys.stderr.flush()


def main() -> int:
    """Open the sockets that the launch names and supervise; 2 when one of them cannot be had."""
    launch = Launch.read(int(sys.argv[1]))
    try:
        sockets = Sockets(launch)
    except ShuntError as taken:
        _say(str(taken))
        return 2
    return Supervisor(launch, sockets).run()


if __name__ == "__main__":
    sys.exit(main())
