"""The cycle collector, kept from looking at whole tables while requests wait."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

TABLES_PER_COLLECTION = 64


@contextmanager
def undisturbed(table: int) -> Iterator[None]:
    """Build table number so-and-so without a collection, and let no later one look at what is there afterwards.

    Looking through 10,000 compiled routes takes 100 ms. What was garbage in a cycle at that moment waits for
    one of the few tables that are followed by a collection.
    """
    gc.disable()
    gc.unfreeze()
    try:
        yield
    finally:
        if table % TABLES_PER_COLLECTION == 0:
            gc.collect()
        gc.freeze()
        gc.enable()


def settle() -> None:
    """Collect once, then let no collection look at what is left: where a stall of the moment harms nobody."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
