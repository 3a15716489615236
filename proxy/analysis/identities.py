"""Sticky splits: people are what is drawn, and nobody is counted twice for one toss of the coin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from proxy.analysis.witness import ALL_HASHES, ERROR

MOST = 20_000

_NEVER = -1.0
_CANDIDATE = 2.0
"""Above every weight: who was last counted on the candidate is not counted again."""

_ERROR, _SAMPLE, _SEEN, _FAILED = range(4)


class State(TypedDict):
    """The set as plain values."""

    accepted: int
    known: dict[str, list[float]]


class Identities:
    """Whom the judge knows: under which weight each was last counted, by kind of event.

    At most `MOST` are kept; when full, the accepted range of hashes is halved instead of going blind. The
    hash has nothing to do with the arm, so who remains is a fair sample.
    """

    __slots__ = ("_known", "accepted", "failed")

    def __init__(self) -> None:
        self.accepted = ALL_HASHES
        self.failed = 0
        """Identities of the accepted range that the candidate failed at least once."""
        self._known: dict[int, list[float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def coin(self, identity: int, weight: float, event: int, *, is_candidate: bool) -> float | None:
        """The chance that it was the candidate's, given all that was counted before; None if it does not count.

        First time: the weight. Last counted on stable at w1 < w: (w - w1)/(1 - w1), for only then does its
        bucket lie above w1. Last counted on the candidate, or no growth: its arm is known, nothing to learn.
        """
        record = self._record(identity)
        if record is None:
            return None
        kind = _ERROR if event == ERROR else _SAMPLE
        last = record[kind]
        if kind == _ERROR and is_candidate and not record[_FAILED]:
            record[_FAILED] = 1.0
            self.failed += 1
        if weight <= last:
            return None
        record[kind] = _CANDIDATE if is_candidate else weight
        return weight if last == _NEVER else (weight - last) / (1 - last)

    def is_first_seen(self, identity: int, weight: float) -> bool:
        """Whether this is the first that is heard of it under this weight."""
        record = self._record(identity)
        if record is None or record[_SEEN] == weight:
            return False
        record[_SEEN] = weight
        return True

    def state(self) -> State:
        """Everything, as plain values."""
        return State(accepted=self.accepted, known={f"{key:x}": list(record) for key, record in self._known.items()})

    @classmethod
    def restore(cls, state: State) -> Identities:
        """The set that `state` described."""
        identities = cls()
        identities.accepted = state["accepted"]
        identities._known = _read(state["known"])
        identities.failed = sum(1 for record in identities._known.values() if record[_FAILED])
        return identities

    def _record(self, identity: int) -> list[float] | None:
        record = self._known.get(identity)
        if record is not None or identity >= self.accepted:
            return record
        record = self._known[identity] = [_NEVER, _NEVER, _NEVER, 0.0]
        while len(self._known) > MOST:
            self.accepted //= 2
            self._known = {key: kept for key, kept in self._known.items() if key < self.accepted}
        return record if identity < self.accepted else None


def _read(known: Mapping[str, Sequence[float]]) -> dict[int, list[float]]:
    return {int(key, 16): list(record) for key, record in known.items()}
