"""Shunt decides as flagd's own Python core does; `python -m tests.flags.oracle` compares hundreds of thousands."""

from __future__ import annotations

import json

from proxy.flags.flagset import Document, Sources, compiled
from tests.flags import oracle


def test_random_flags_are_decided_as_by_flagds_core() -> None:
    compared, differences = oracle.compare(10_000, "v3", seed=3)
    assert compared == 10_000
    assert not differences


def test_the_former_bucketing_is_that_of_the_former_core() -> None:
    recorded = json.loads(oracle.VECTORS.read_text())
    flags = compiled(Sources(bucketing="v2", documents=(Document("recorded", recorded["document"]),)))
    assert len(flags.flags) * len(recorded["contexts"]) == 3200
    for key, answers in recorded["answers"].items():
        for (targeting_key, attributes), answer in zip(recorded["contexts"], answers, strict=True):
            assert oracle.ours(flags, key, targeting_key, attributes)[1:] == answer, (key, targeting_key, attributes)
