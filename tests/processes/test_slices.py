"""Slices: whatever the rules were, a worker ends up with exactly the new ones, and gets only what changed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from proxy.processes.channel import Frames, RoutesSlice, ServiceSlice, TableBegins, TableEnds, decode, encode
from proxy.processes.slices import ROUTES_PER_SLICE, Assembly, Slice, cut
from proxy.rules import Route, Rules, Service, Version


def service(name: str, routes: int = 0, target: str = "http://127.0.0.1:80") -> Service:
    return Service(
        name=name,
        hosts=(name,),
        versions={"v1": Version(targets=(target,))},
        routes=tuple(Route(name=f"r{number}") for number in range(routes)),
    )


def rules(*services: Service) -> Rules:
    return Rules(services={each.name: each for each in services})


def carry(revision: int, new: Rules, known: Rules | None, assembly: Assembly, step: int = 1 << 20) -> list[Slice]:
    """Send the slices through frames as a socket would deliver them, `step` bytes at a time."""
    stream = b"".join(encode(piece) for piece in cut(revision, new, known))
    frames = Frames()
    arrived: list[Slice] = []
    for start in range(0, len(stream), step):
        for frame in frames.feed(stream[start : start + step]):
            piece = decode(frame)
            assert isinstance(piece, TableBegins | ServiceSlice | RoutesSlice | TableEnds)
            arrived.append(piece)
            if isinstance(piece, TableEnds):
                assembly.complete(piece)
            else:
                assembly.add(piece)
    return arrived


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_the_worker_has_what_the_brain_has(step: int) -> None:
    assembly = Assembly()
    whole = rules(service("a"), service("b", routes=3 * ROUTES_PER_SLICE + 1))
    carry(1, whole, None, assembly, step)
    assert assembly.rules == whole
    assert list(assembly.rules.services) == ["a", "b"]


def test_only_what_changed_is_sent() -> None:
    assembly = Assembly()
    former = rules(service("a"), service("b"), service("c"))
    carry(1, former, None, assembly)
    new = rules(service("c"), service("a", target="http://127.0.0.1:81"))
    arrived = carry(2, new, former, assembly)
    assert [piece.service.name for piece in arrived if isinstance(piece, ServiceSlice)] == ["a"]
    assert assembly.rules == new
    assert list(assembly.rules.services) == ["c", "a"]


def test_no_slice_carries_more_routes_than_a_worker_takes_in_at_once() -> None:
    for piece in cut(1, rules(service("a", routes=1000))):
        if isinstance(piece, ServiceSlice):
            assert len(piece.service.routes) <= ROUTES_PER_SLICE
        if isinstance(piece, RoutesSlice):
            assert len(piece.routes) <= ROUTES_PER_SLICE


def test_a_service_that_comes_again_unchanged_stays_the_same_object() -> None:
    assembly = Assembly()
    same = rules(service("a", routes=200))
    carry(1, same, None, assembly)
    before = assembly.rules.services["a"]
    carry(2, same, None, assembly)
    assert assembly.rules.services["a"] is before


def test_any_sequence_of_changes_arrives() -> None:
    dice = random.Random(7)
    assembly = Assembly()
    known: Rules | None = None
    for revision in range(1, 60):
        names = dice.sample("abcdef", dice.randrange(1, 6))
        new = rules(*(service(name, dice.choice([0, 1, 64, 65, 130])) for name in names))
        if dice.random() < 0.3:
            new = Rules(services={n: replace(s, salt=str(revision)) for n, s in new.services.items()})
        carry(revision, new, None if dice.random() < 0.2 else known, assembly)
        assert assembly.rules == new
        known = new
