"""A legacy: what a supervisor leaves to the one that it becomes by exec.

The process id, the sockets and the children stay; only the code and its memory are new. Written as JSON, because the
heir may be of another release. Standard library only: the supervisor loads this.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from typing import NoReturn

from proxy import __version__
from proxy.processes.children import Child
from proxy.processes.generation import BRAIN, Generation
from proxy.processes.launch import Launch, Sockets
from proxy.processes.vigil import block_signals, unblock_signals

ChildLeft = tuple[int, int, int, bool]
"""Process id, slot, descriptor of the lifeline, whether it serves."""


@dataclass(slots=True)
class Legacy:
    """Everything by its descriptors and process ids."""

    launch: dict[str, object]
    groups: list[list[int]]
    admin: int
    telemetry: int
    generation: int
    children: list[ChildLeft]
    leaving: list[ChildLeft] = field(default_factory=list)
    """Children of generations before, which drain."""
    release: str = ""
    """Of the code that leaves all this."""
    ofrep: int | None = None

    @classmethod
    def of(cls, launch: Launch, sockets: Sockets, generation: Generation, leaving: list[Child]) -> Legacy:
        """What there is to leave."""
        return cls(
            launch=launch._asdict(),
            groups=[[listener.fileno() for listener in group] for group in sockets.groups],
            admin=sockets.admin.fileno(),
            telemetry=sockets.telemetry.fileno(),
            generation=generation.number,
            children=[_left(child) for child in generation.children()],
            leaving=[_left(child) for child in leaving],
            release=__version__,
            ofrep=sockets.ofrep.fileno() if sockets.ofrep is not None else None,
        )

    @classmethod
    def read(cls, number: int) -> Legacy:
        """The legacy at a descriptor; its own children shall not have what it inherits."""
        with open(number, encoding="utf-8") as file:
            file.seek(0)
            legacy = cls(**json.load(file))
        legacy._let_survive(inheritable=False)
        return legacy

    def hand_on(self) -> NoReturn:
        """Become the code that is on the disk now; OSError when that is not possible, and nothing has changed."""
        number = os.memfd_create("shunt-legacy", 0)
        os.write(number, json.dumps(asdict(self)).encode())
        sys.stderr.flush()
        self._let_survive(inheritable=True)
        block_signals()
        try:
            os.execv(sys.executable, [sys.executable, "-m", "proxy.supervisor", "heir", str(number)])
        finally:
            unblock_signals()
            self._let_survive(inheritable=False)
            os.close(number)

    @property
    def is_foreign(self) -> bool:
        """Whether it comes from another release."""
        return self.release != __version__

    def open_launch(self) -> Launch:
        """The launch, with what this release does not know left out."""
        return Launch(**{name: value for name, value in self.launch.items() if name in Launch._fields})  # type: ignore[arg-type]

    def open_sockets(self) -> Sockets:
        """The sockets, open all the time."""
        return Sockets.inherit(self.groups, self.admin, self.telemetry, self.ofrep)

    def open_generation(self) -> Generation:
        """The generation that serves until its heirs do."""
        children = [_living(*each) for each in self.children]
        brain = next((child for child in children if child.slot == BRAIN), None)
        workers = {child.slot: child for child in children if child.slot != BRAIN}
        return Generation(self.generation, brain, workers)

    def open_leaving(self) -> list[Child]:
        """Those who drain."""
        return [_living(*each) for each in self.leaving]

    def _let_survive(self, *, inheritable: bool) -> None:
        for number in self._descriptors():
            os.set_inheritable(number, inheritable)

    def _descriptors(self) -> list[int]:
        launch = self.open_launch()
        lifelines = [child[2] for child in (*self.children, *self.leaving)]
        groups = [number for group in self.groups for number in group]
        private = [self.admin, self.telemetry, *([] if self.ofrep is None else [self.ofrep])]
        return [launch.settings, *launch.memory, *groups, *private, *lifelines]


def _left(child: Child) -> ChildLeft:
    return child.pid, child.slot, child.lifeline.fileno(), child.is_ready


def _living(pid: int, slot: int, lifeline: int, is_ready: bool) -> Child:
    return Child.inherited(pid, slot, lifeline, is_ready=is_ready)
