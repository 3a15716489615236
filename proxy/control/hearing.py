"""The hearing: workers are told what to look for, and what one of them reports is heard once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from proxy.analysis.witness import Watch
from proxy.control import programmes
from proxy.processes.channel import Seen
from proxy.rollout.course import Course
from proxy.rules import Rules

MOST_WITNESSES = 256


class Witnesses(Protocol):
    """All workers, as those who see what becomes of rollouts."""

    def look_for(self, watches: tuple[Watch, ...]) -> None:
        """Report what happens in these."""
        ...

    def keep(self, numbers: Mapping[str, int]) -> None:
        """The reports up to these numbers, by witness, are on the disk."""
        ...

    def close_tunnels(self, service: str, version: str) -> None:
        """End the tunnels of a version after their grace."""
        ...


class Hearing:
    """What the workers were told last, and what was heard of each of them."""

    def __init__(self, witnesses: Witnesses) -> None:
        self._witnesses = witnesses
        self._watches: tuple[Watch, ...] = ()
        self.numbers: dict[str, int] = {}
        """The last report of each witness that was heard."""

    def look_for(self, courses: Iterable[Course], rules: Rules, now: float) -> None:
        """Let the workers look for what is being judged, if that is not what they do already."""
        watches = tuple(_watch(course, rules, now) for course in courses if course.is_active)
        if watches != self._watches:
            self._watches = watches
            self._witnesses.look_for(watches)

    def claim(self, witness: str, seen: Seen) -> bool:
        """Whether the report is new; from now on it is not."""
        if seen.number <= self.numbers.get(witness, 0):
            return False
        self.numbers[witness] = seen.number
        while len(self.numbers) > MOST_WITNESSES:
            del self.numbers[next(iter(self.numbers))]
        return True


def _watch(course: Course, rules: Rules, now: float) -> Watch:
    service, _, route = course.scope.partition("/")
    return Watch(
        service=service,
        route=route,
        release=course.rollout.release,
        stable=course.rollout.stable,
        candidate=course.rollout.candidate,
        latency_tolerance=course.programme.analysis.latency_tolerance / 100,
        is_timing=course.judge.is_timing(now),
        accepted=course.judge.accepted,
        apart=programmes.routes_apart(rules, course.scope),
    )
