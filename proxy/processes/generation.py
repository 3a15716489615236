"""A generation: one brain and its workers, all started by the same code.

Standard library only: the supervisor loads this.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.processes.children import Child

BRAIN = -1
"""The slot of the brain."""
_GUESTS = 1000
_FOREIGN = -3


def make_guest(worker: Child, generation: int, *, is_foreign: bool) -> None:
    """Give a worker that drains a slot of its own, beside those of the present workers.

    One of another release is foreign: nobody talks to it in the words of this one.
    """
    worker.slot = _FOREIGN if is_foreign else _GUESTS * generation + worker.slot % _GUESTS


def is_guest(slot: int) -> bool:
    """Whether the slot is that of a worker that drains and still hears of every change."""
    return slot >= _GUESTS


@dataclass(slots=True)
class Generation:
    """Who lives of it."""

    number: int = 1
    brain: Child | None = None
    workers: dict[int, Child] = field(default_factory=dict)
    """By slot."""

    def children(self) -> list[Child]:
        """The workers and the brain."""
        return [*self.workers.values(), *([self.brain] if self.brain else [])]

    def is_ready(self, workers: int) -> bool:
        """Whether its brain and so many workers serve."""
        ready = sum(worker.is_ready for worker in self.workers.values())
        return self.brain is not None and self.brain.is_ready and ready >= workers

    def lose(self, child: Child) -> None:
        """One of them has ended."""
        if child is self.brain:
            self.brain = None
        elif self.workers.get(child.slot) is child:
            del self.workers[child.slot]
