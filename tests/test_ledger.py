"""The ledger remembers who, what, when and why, and knows how much it forgot."""

from __future__ import annotations

from proxy.ledger import By, Kind, Ledger, Move
from proxy.overrides import Override

MOVE = Move(scope="shop", field="active", before=None, after=Override("shop", "active", "green", "blue"))


def written(ledger: Ledger, number: int, kind: Kind = "verb", services: tuple[str, ...] = ("shop",)) -> None:
    by = By("ann@desk", f"change {number}", "because")
    ledger.write(by, when=float(number), revision=number, kind=kind, moves=(MOVE,), services=services)


def test_an_entry_says_who_what_when_and_why() -> None:
    ledger = Ledger()
    written(ledger, 7)
    (entry,) = ledger.entries
    assert (entry.who, entry.what, entry.when, entry.why, entry.revision) == ("ann@desk", "change 7", 7.0, "because", 7)


def test_it_is_bounded_and_counts_what_it_forgot() -> None:
    ledger = Ledger(capacity=3)
    for number in range(1, 11):
        written(ledger, number)
    assert [entry.number for entry in ledger.entries] == [8, 9, 10]
    assert ledger.forgotten == 7


def test_numbers_go_on_after_a_restart() -> None:
    ledger = Ledger(capacity=2)
    for number in range(1, 4):
        written(ledger, number)
    again = Ledger(ledger.entries, capacity=2, forgotten=ledger.forgotten)
    written(again, 4)
    assert [entry.number for entry in again.entries] == [3, 4]


def test_the_newest_comes_first_and_one_service_can_be_asked_for() -> None:
    ledger = Ledger()
    written(ledger, 1, services=("blog",))
    written(ledger, 2)
    written(ledger, 3)
    assert [entry.number for entry in ledger.latest(10)] == [3, 2, 1]
    assert [entry.number for entry in ledger.latest(1, service="shop")] == [3]
    assert [entry.number for entry in ledger.latest(9, service="blog")] == [1]


def test_only_a_verb_that_still_stands_can_be_undone() -> None:
    ledger = Ledger()
    written(ledger, 1)
    written(ledger, 2, "rollout")
    written(ledger, 3, "file")
    written(ledger, 4, "note")
    rollout = ledger.undoable()
    assert rollout is not None
    assert rollout.number == 2
    ledger.strike(2, by_revision=5)
    verb = ledger.undoable("shop")
    assert verb is not None
    assert verb.number == 1
    ledger.unstrike(5)
    assert ledger.undoable() == rollout


def test_a_forgotten_entry_cannot_be_struck() -> None:
    ledger = Ledger(capacity=1)
    written(ledger, 1)
    written(ledger, 2)
    ledger.strike(1, by_revision=3)
    assert ledger.entries[0].undone_by == 0
