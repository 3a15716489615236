"""Shadow: who also hears the request, and of every one left out it is known why."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from proxy.conditions import Text, When
from proxy.model import Request
from proxy.strategies.shadow import Shadow, copier
from proxy.strategies.sticky import Ground

GROUND = Ground("shop")


@pytest.mark.parametrize(("method", "unheard"), [("GET", ""), ("HEAD", ""), ("POST", "method"), ("PUT", "method")])
def test_only_reads_are_copied_unless_writes_are_listed(method: str, unheard: str) -> None:
    assert copier(Shadow(version="next"), GROUND)(Request.of(method), None, Random(1)) == unheard
    listed = copier(Shadow(version="next", methods=("post", "PUT", "GET", "HEAD")), GROUND)
    assert listed(Request.of(method), None, Random(1)) == ""


def test_a_percentage_is_drawn_for_each_request_even_of_the_same_identity() -> None:
    copies = copier(Shadow(version="next", percent=25), GROUND)
    dice = Random(3)
    counted = Counter(copies(Request.of(), b"alice", dice) for _ in range(10_000))
    assert 2300 < counted[""] < 2700
    assert counted[""] + counted["sampled"] == 10_000


def test_zero_percent_is_nobody() -> None:
    assert copier(Shadow(version="next", percent=0), GROUND)(Request.of(), None, Random(1)) == "sampled"


def test_who_is_not_meant_is_not_counted_at_all() -> None:
    copies = copier(Shadow(version="next", when=When(path=Text(prefix="/api"))), GROUND)
    assert copies(Request.of("POST", "/shop"), None, Random(1)) is None
    assert copies(Request.of("GET", "/api/x"), None, Random(1)) == ""
