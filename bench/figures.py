"""Figures: what is made of measurements before anybody reads them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed (nearest rank); NaN for none."""
    ranked = sorted(values)
    if not ranked:
        return math.nan
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """The middle value; NaN for none."""
    present = [value for value in values if not math.isnan(value)]
    return statistics.median(present) if present else math.nan


def ratio(value: float, base: float) -> float:
    """How many times `base`; NaN when either is missing."""
    return value / base if base else math.nan


def per_request(shorter: tuple[int, float], longer: tuple[int, float]) -> float:
    """The cost of one request from two runs (requests, cost): what both runs pay alike falls away."""
    more = longer[0] - shorter[0]
    if more <= 0:
        raise ValueError("the longer run must have more requests")
    return (longer[1] - shorter[1]) / more


def shown(value: float | str, decimals: int = 1) -> str:
    """A figure for a table; a dash for one that is missing."""
    if isinstance(value, str):
        return value
    return "-" if math.isnan(value) else f"{value:,.{decimals}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, words to the left and figures to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    are_words = [any(cell[:1].isalpha() for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if is_word else cell.rjust(width)
            for cell, width, is_word in zip(cells, widths, are_words, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])
