"""A generation: one brain and its workers, all started by the same code.

Standard library only: the supervisor loads this.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.processes.children import Child

BRAIN = -1
"""The slot of the brain."""


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
