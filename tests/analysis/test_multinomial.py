"""Parity with a published example, and the split checked against its weight."""

from __future__ import annotations

from math import exp
from random import Random

import pytest

from proxy.analysis.multinomial import p_value


def numpy_legacy_seed(seed: int) -> Random:
    """The generator that `numpy.random.seed(seed)` makes: the same Mersenne Twister, seeded by init_genrand."""
    key, word = [], seed
    for position in range(624):
        key.append(word)
        word = (1812433253 * (word ^ (word >> 30)) + position + 1) & 0xFFFFFFFF
    dice = Random()
    dice.setstate((3, (*key, 624), None))
    return dice


def test_the_example_of_savvi_stops_where_savvi_asserts_it() -> None:
    """`InhomogeneousPoissonProcess` with rho (0.8, 0.2), delta (1.5, 2), alpha 0.05, numpy seed 1."""
    rho, delta = (0.8, 0.2), (1.5, 2.0)
    intensities = [share * exp(effect) for share, effect in zip(rho, delta, strict=True)]
    first = intensities[0] / sum(intensities)
    dice, counts = numpy_legacy_seed(1), [0, 0]
    # numpy draws multinomial(1, theta) as one binomial by inversion: the second arm when the uniform passes theta[0].
    while p_value(counts, rho) > 0.05:
        counts[dice.random() > first] += 1
    assert sum(counts) == 210
    assert p_value(counts, rho) == pytest.approx(0.0455796317592, abs=1e-12)


def test_a_split_of_many_arms_that_keeps_its_weights_is_left_alone() -> None:
    dice, shares, counts = Random(3), (0.7, 0.2, 0.1), [0, 0, 0]
    for arm in dice.choices(range(3), shares, k=5000):
        counts[arm] += 1
        assert p_value(counts, shares) > 0.01


def test_a_split_that_is_not_drawn_by_its_weight_is_found_out() -> None:
    assert p_value([700, 300], (0.8, 0.2)) < 1e-6
