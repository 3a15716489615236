"""The worker's part: only what chance decided counts, and everybody once."""

from __future__ import annotations

import pickle
from itertools import pairwise

import pytest

from proxy.analysis.histogram import bucket_of
from proxy.analysis.witness import ERROR, MAX_ITEMS, WAITED, Item, Sighting, Watch, Witness, mixed
from proxy.model import Choice
from proxy.plan import Lane, Outcome, Plan
from proxy.targets import Fleet

LANE = Lane("shop", "")
WATCH = Watch(service="shop", release="a", stable="v1", candidate="v2")


def outcome(
    version: str = "v2",
    *,
    failure: str = "",
    first_byte: float = 0.02,
    bucket: int | None = None,
    weight: float = 0.2,
    randomised: bool = True,
    minted: bytes | None = None,
    lane: Lane = LANE,
) -> Outcome:
    made = Outcome()
    choice = Choice(version, "canary", randomised, weight, bucket)
    made.plan = Plan(lane, Fleet("shop", version, ()), choice, minted=minted)
    made.drawn_failure, made.first_byte = failure, first_byte
    return made


def waiting(version: str, cause: str, seconds: float, tries: int = 1, **more: object) -> Outcome:
    made = outcome(version, first_byte=-1.0, **more)  # type: ignore[arg-type]
    made.cause, made.upstream, made.tries = cause, seconds, tries
    return made


@pytest.fixture
def witness() -> Witness:
    made = Witness()
    made.watch([WATCH])
    return made


def only(witness: Witness) -> Sighting:
    (found,) = witness.delta()
    return found


def test_requests_drawn_on_their_own_are_summed_by_arm(witness: Witness) -> None:
    for _ in range(3):
        witness.seen(outcome("v1"))
    witness.seen(outcome("v2", failure="500"))
    found = only(witness)
    assert (found.weight, found.stable.drawn, found.candidate.drawn) == (0.2, 3, 1)
    assert (found.stable.drawn_failed, found.candidate.drawn_failed) == (0, 1)
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_judge_hears_of_a_candidate_error_at_once_and_of_nothing_else(witness: Witness) -> None:
    assert witness.seen(outcome("v2", failure="connect", first_byte=-1.0))
    assert witness.seen(outcome("v2", failure="500", bucket=4))
    assert not witness.seen(outcome("v1", failure="500"))
    assert not witness.seen(outcome("v2"))


def test_what_was_said_is_not_said_again(witness: Witness) -> None:
    witness.seen(outcome())
    assert len(witness.delta()) == 1
    assert witness.delta() == []


@pytest.mark.parametrize(
    "left_out",
    [
        outcome(randomised=False),
        outcome("v3"),
        outcome(lane=Lane("blog", "")),
        outcome(bucket=7, minted=b"fresh"),
        Outcome(),
    ],
    ids=["forced by a flag", "a third version", "another service", "minted on it", "never planned"],
)
def test_only_what_chance_decided_between_the_two_counts(witness: Witness, left_out: Outcome) -> None:
    assert not witness.seen(left_out)
    assert witness.delta() == []


def test_a_candidate_is_forgiven_the_tolerance(witness: Witness) -> None:
    witness.seen(outcome("v1", first_byte=0.100))
    witness.seen(outcome("v2", first_byte=0.110))
    found = only(witness)
    assert found.stable.samples == {bucket_of(0.1): 1}
    assert found.candidate.samples == {bucket_of(0.110 / 1.1): 1}


def test_a_wait_without_a_first_byte_counts_as_long_as_it_was(witness: Witness) -> None:
    witness.seen(waiting("v1", "aborted", 2.0))
    witness.seen(waiting("v1", "aborted", 2.0, tries=2))
    witness.seen(outcome("v1", first_byte=-1.0, failure="connect"))
    assert only(witness).stable.waited == {bucket_of(2.0): 1}


def test_somebody_known_is_reported_once_per_kind_and_weight(witness: Witness) -> None:
    for _ in range(5):
        witness.seen(outcome("v2", bucket=9))
        witness.seen(outcome("v2", bucket=9, failure="500", first_byte=-1.0))
    found = only(witness)
    assert found.items == (Item(mixed(9), True, bucket_of(0.02 / 1.1)), Item(mixed(9), True, ERROR))
    assert (found.candidate.requests, found.candidate.failed, found.candidate.drawn) == (10, 5, 0)
    witness.seen(outcome("v2", bucket=9))
    assert only(witness).items == ()
    witness.seen(outcome("v2", bucket=9, weight=0.5))
    assert len(only(witness).items) == 1


def test_the_wait_of_somebody_known_is_told_from_a_latency(witness: Witness) -> None:
    witness.seen(waiting("v1", "aborted", 2.0, bucket=3))
    assert only(witness).items == (Item(mixed(3), False, WAITED + bucket_of(2.0)),)


def test_items_are_bounded_and_the_loss_is_counted(witness: Witness) -> None:
    for bucket in range(MAX_ITEMS + 5):
        witness.seen(outcome("v1", bucket=bucket))
    found = only(witness)
    assert (len(found.items), found.lost) == (MAX_ITEMS, 5)


def test_identities_outside_the_accepted_range_stay_at_home() -> None:
    witness = Witness()
    witness.watch([Watch(service="shop", release="a", stable="v1", candidate="v2", accepted=1 << 63)])
    for bucket in range(1000):
        witness.seen(outcome("v1", bucket=bucket))
    assert 400 < len(only(witness).items) < 600


def test_a_changed_watch_hands_out_what_was_seen_and_hears_everybody_again(witness: Witness) -> None:
    witness.seen(outcome("v1", bucket=9))
    (last,) = witness.watch([Watch(service="shop", release="b", stable="v1", candidate="v2")])
    assert (last.release, len(last.items)) == ("a", 1)
    witness.seen(outcome("v1", bucket=9))
    assert (only(witness).release, witness.watch([])) == ("b", [])


def test_an_unchanged_watch_keeps_what_was_seen(witness: Witness) -> None:
    witness.seen(outcome())
    assert witness.watch([WATCH]) == []
    assert only(witness).candidate.drawn == 1


def test_the_hash_of_an_identity_does_not_follow_its_bucket() -> None:
    hashes = [mixed(bucket) for bucket in range(1000)]
    assert len(set(hashes)) == 1000
    rising = sum(a < b for a, b in pairwise(hashes))
    assert 430 < rising < 570


def test_routes_without_a_split_of_their_own_count_for_their_service_and_others_do_not() -> None:
    witness = Witness()
    witness.watch([Watch(service="shop", release="a", stable="v1", candidate="v2", apart=("api",))])
    witness.seen(outcome(lane=Lane("shop", "plain")))
    witness.seen(outcome(lane=Lane("shop", "api")))
    assert only(witness).candidate.requests == 1
