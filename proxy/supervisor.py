"""The supervisor holds what must outlive every crash, the sockets, and starts again what dies.

No HTTP, no YAML, no rules: nothing here can be brought down by a request or by a file. It is started by
`proxy.app.run` through exec, so it keeps the process id and none of the command line's memory; and it becomes
a newer one in the same way.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from proxy.errors import ShuntError
from proxy.processes import listeners
from proxy.processes.children import Child
from proxy.processes.generation import BRAIN, Generation, is_guest
from proxy.processes.launch import Launch, Sockets
from proxy.processes.legacy import Legacy
from proxy.processes.lifeline import Message
from proxy.processes.respawn import Deaths
from proxy.processes.succession import Succession
from proxy.processes.vigil import Vigil

_ALONE_SECONDS = 0.5
"""The longest back-off where no neighbour helps out: no connection waits more than a second for an owner."""
_STOP_SECONDS = 5.0
"""What a child may take to end after it was told to, before it is killed."""


class Supervisor:
    """One loop over lifelines, signals and an agenda."""

    def __init__(self, launch: Launch, sockets: Sockets) -> None:
        self.launch = launch
        self.sockets = sockets
        self.vigil = Vigil()
        self.now = Generation()
        """Who serves, or will in a moment."""
        self.leaving: list[Child] = []
        """Workers of former generations, which drain, and their brains."""
        self.is_leaving = False
        self._succession = Succession(self)
        self._adopters: dict[int, int] = {}
        """Slots without an owner, and the slot of the neighbour that accepts there meanwhile."""
        self._deaths: dict[int, Deaths] = {}
        self._has_served = False
        self._is_draining = False
        self._exit_code: int | None = None

    def run(self, legacy: Legacy | None = None) -> int:
        """Serve until told to leave; the exit code."""
        if legacy is not None:
            self._has_served = True
            self._succession.begin(legacy)
        self.start_missing()
        if legacy is None:
            self.start_brain()
        while self._exit_code is None:
            self.vigil.wait(self._on_signal, self._on_message, self._on_silence)
            self._reap()
        for child in self._children():
            child.kill()
            os.waitpid(child.pid, 0)
            child.lifeline.close()
        self.sockets.close()
        self.vigil.close()
        return self._exit_code

    def _children(self) -> list[Child]:
        return [*self.now.children(), *self.leaving, *self._succession.children()]

    # --- starting ----------------------------------------------------------------------

    def start_missing(self) -> None:
        """Start a worker for every slot that has none."""
        for slot in range(self.launch.workers):
            if slot not in self.now.workers:
                self._start_worker(slot)

    def _start_worker(self, slot: int) -> None:
        if self._is_draining or slot in self.now.workers:
            return
        worker = self.now.workers[slot] = Child.spawn("proxy.worker", slot)
        self.vigil.watch(worker)
        self.tell(worker, "settings", slot, descriptors=[self.launch.settings])
        self.tell(worker, "listen", slot, descriptors=self.sockets.of_slot(slot))
        self.join(worker)

    def start_brain(self) -> None:
        """Start the brain, and join the workers to it."""
        if self._is_draining or self.now.brain is not None:
            return
        brain = self.now.brain = Child.spawn("proxy.control.brain", BRAIN)
        self.vigil.watch(brain)
        self.tell(brain, "settings", descriptors=[self.launch.settings])
        self.tell(brain, "memory", descriptors=self.launch.memory)
        self.tell(brain, "admin", descriptors=[self.sockets.admin.fileno()])
        self.tell(brain, "telemetry", descriptors=[self.sockets.telemetry.fileno()])
        if self.sockets.ofrep is not None:
            self.tell(brain, "ofrep", descriptors=[self.sockets.ofrep.fileno()])
        self.tell(brain, "listening", *(listeners.url(group[0]) for group in self.sockets.groups))
        turn = self._succession.turn or ("again" if self._has_served else "first")
        self.tell(brain, "begin", self.launch.workers, turn, self.now.number)
        if self.is_leaving:
            self.tell(brain, "leaving")
        for worker in (*self.now.workers.values(), *(child for child in self.leaving if is_guest(child.slot))):
            self.join(worker)

    def join(self, worker: Child) -> None:
        """Give a worker and the brain a fresh channel: after a crash on either side the old one is of no use."""
        if self.now.brain is None:
            return
        one, other = socket.socketpair()
        with one, other:
            self.tell(worker, "channel", descriptors=[one.fileno()])
            self.tell(self.now.brain, "worker", worker.slot, worker.pid, descriptors=[other.fileno()])

    def tell(self, child: Child, word: str, *rest: object, descriptors: list[int] | None = None) -> None:
        """Say something to a child."""
        if not child.lifeline.tell(word, *rest, descriptors=descriptors or ()):
            child.kill()  # it is gone or has stopped reading: either way its successor will read

    # --- what children say -------------------------------------------------------------

    def _on_message(self, child: Child, message: Message) -> None:
        match message.word:
            case "ready":
                child.is_ready = True
                if child is self.now.workers.get(child.slot):
                    self._on_ready(child)
            case "serving":
                self._has_served = child.is_ready = True
            case "kill":
                pid = int(message.rest[1])
                for worker in self._children():
                    if worker.pid == pid and worker.slot != BRAIN:
                        worker.kill()
            case "upgrade":
                self._succession.ask(is_leaving=self.is_leaving)
            case word:
                self._succession.hear(child, word, message)
        self._succession.look()

    def _on_silence(self, child: Child) -> None:
        """It is about to end, with an exit code that counts; only one that stays behind is helped along."""
        self.vigil.forget(child)
        self.vigil.after(_STOP_SECONDS, child.kill)

    def _on_ready(self, worker: Child) -> None:
        """Its slot has an owner again, and orphans that found no neighbour find one now."""
        neighbour = self.now.workers.get(self._adopters.pop(worker.slot, BRAIN))
        if neighbour is not None:
            self.tell(neighbour, "disown", worker.slot)
        for slot in range(self.launch.workers):
            if not self._is_owned(slot):
                self._find_neighbour(slot)

    def _is_owned(self, slot: int) -> bool:
        owner = self.now.workers.get(slot)
        return slot in self._adopters or (owner is not None and owner.is_ready)

    def _find_neighbour(self, slot: int) -> None:
        descriptors = self.sockets.only_of_slot(slot)
        neighbour = next((worker for worker in self.now.workers.values() if worker.is_ready), None)
        if descriptors and neighbour is not None and neighbour.slot != slot:
            self._adopters[slot] = neighbour.slot
            self.tell(neighbour, "adopt", slot, descriptors=descriptors)

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
        child.is_ended = True
        if child.lifeline.fileno() >= 0:
            self.vigil.forget(child)
            child.lifeline.close()
        if child in self.leaving:
            self.leaving.remove(child)
            if is_guest(child.slot) and self.now.brain is not None:
                self.tell(self.now.brain, "left", child.slot)
            self._look_whether_empty()
        elif self._succession.lose(child):
            return
        elif child is self.now.brain:
            self.now.lose(child)
            self._on_brain_end(code)
        else:
            self.now.lose(child)
            self._on_worker_end(child, code)

    def _on_worker_end(self, worker: Child, code: int) -> None:
        if self.now.brain is not None:
            self.tell(self.now.brain, "gone", worker.slot, worker.pid)
        if self._is_draining:
            self._look_whether_empty()
            return
        for slot in [worker.slot, *(orphan for orphan, by in self._adopters.items() if by == worker.slot)]:
            self._adopters.pop(slot, None)
            self._find_neighbour(slot)
        self._start_again(worker.slot, f"worker {worker.slot} (pid {worker.pid})", code)

    def _on_brain_end(self, code: int) -> None:
        if self._is_draining:
            if not self.now.workers:
                self._exit_code = 0
        elif self._has_served:
            self._start_again(BRAIN, "the control plane", code)
        else:
            self._exit_code = code if code > 0 else 1

    def _start_again(self, slot: int, name: str, code: int) -> None:
        delay = self._deaths.setdefault(slot, Deaths()).delay_after(time.monotonic())
        if slot not in self._adopters:
            delay = min(delay, _ALONE_SECONDS)
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        say(f"{name} {how}; its successor starts {f'in {delay:g} s' if delay else 'at once'}")
        start: Callable[[], None] = self.start_brain if slot == BRAIN else lambda: self._start_worker(slot)
        if delay:
            self.vigil.after(delay, start)
        else:
            start()

    # --- leaving -----------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP and self.now.brain is not None:
            self.tell(self.now.brain, "reload")
        elif number == signal.SIGUSR2:
            self._succession.ask(is_leaving=self.is_leaving)
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self.is_leaving:
                self._exit_code = 128 + number
            else:
                self._leave(self.launch.grace_seconds if number == signal.SIGTERM else 0.0)

    def _leave(self, grace_seconds: float) -> None:
        """Be unready at once, accept on for the grace, then drain."""
        self.is_leaving = True
        self._succession.give_up("this instance is leaving")
        if self.now.brain is not None:
            self.tell(self.now.brain, "leaving")
        if grace_seconds:
            self.vigil.after(grace_seconds, self._drain)
        else:
            self._drain()

    def _drain(self) -> None:
        self._is_draining = True
        self.sockets.close_to_clients()
        for worker in self.now.workers.values():
            self.dismiss(worker)
        self._look_whether_empty()

    def dismiss(self, worker: Child) -> None:
        """Let a worker accept no more, finish and end, within the bound."""
        self.tell(worker, "drain", self.launch.bound_seconds)
        self.vigil.after(self.launch.bound_seconds + _STOP_SECONDS, worker.kill)

    def stop(self, brain: Child) -> None:
        """Let a brain end."""
        self.tell(brain, "stop")
        self.vigil.after(_STOP_SECONDS, brain.kill)

    def _look_whether_empty(self) -> None:
        """The brain stays until the last worker is gone, and so do we."""
        if not self._is_draining or self.now.workers or self.leaving:
            return
        if self.now.brain is None:
            self._exit_code = 0
        else:
            self.stop(self.now.brain)


def say(line: str) -> None:
    """One line for people."""
    sys.stderr.write(f"shunt: {line}\n")
    sys.stderr.flush()


def main() -> int:
    """Open the sockets that the launch names, or take over a former supervisor's; 2 when one cannot be had."""
    if sys.argv[1] == "heir":
        legacy = Legacy.read(int(sys.argv[2]))
        return Supervisor(legacy.open_launch(), legacy.open_sockets()).run(legacy)
    launch = Launch.read(int(sys.argv[1]))
    try:
        sockets = Sockets.open(launch)
    except ShuntError as taken:
        say(str(taken))
        return 2
    return Supervisor(launch, sockets).run()


if __name__ == "__main__":
    sys.exit(main())
