"""Bucketing: which part of a split a key falls into, the same in every process and every language.

`v3` hashes the canonical CBOR of the key, `[flag, targeting key]` by default; `v2` the text of the two
joined. Both take murmur3 (32 bits), and bucket = (hash * total weight) >> 32.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

import mmh3

from proxy.flags.cbor import TEXT_HEADS, array_head, encode, encode_text, text_head

Version = Literal["v2", "v3"]

HASHES = 1 << 32
MAX_TOTAL_WEIGHT = (1 << 31) - 1


def hash_of(key: object, version: Version) -> int | None:
    """The hash of an explicit bucketing key, 0 to 2**32 - 1; None if the key cannot be hashed."""
    if version == "v2":
        return _murmur(key) if isinstance(key, str) and key else None
    if key is None:
        return None
    try:
        return _murmur(encode(key))
    except (TypeError, ValueError):
        return None


def hasher(flag: str, version: Version) -> Callable[[object], int | None]:
    """The hash of a targeting key under this flag's salt; None if there is no targeting key."""
    prefix = array_head(2) + encode_text(flag)
    murmur, text_heads, known = mmh3.hash, TEXT_HEADS, len(TEXT_HEADS)

    def v3(targeting_key: object) -> int | None:
        if not isinstance(targeting_key, str) or not targeting_key:
            return None
        try:
            utf8 = targeting_key.encode()
        except UnicodeEncodeError:
            return None
        length = len(utf8)
        head = text_heads[length] if length < known else text_head(length)
        return murmur(prefix + head + utf8, 0, False)

    def v2(targeting_key: object) -> int | None:
        return _murmur(flag + targeting_key) if isinstance(targeting_key, str) and targeting_key else None

    return v3 if version == "v3" else v2


class Split:
    """Weights in a row; `part` is the index of the one that a hash falls into."""

    __slots__ = ("bounds", "total")

    def __init__(self, weights: Sequence[int]) -> None:
        """ValueError if no weight is above 0 or they sum up to more than 2**31 - 1; below 0 counts as 0."""
        self.bounds = list(accumulate(max(0, weight) for weight in weights))
        self.total = self.bounds[-1] if self.bounds else 0
        if not 0 < self.total <= MAX_TOTAL_WEIGHT:
            raise ValueError(f"the weights sum up to {self.total}, not to 1 to {MAX_TOTAL_WEIGHT}")

    def part(self, hashed: int) -> int:
        """The index of the weight in whose range the hash falls; never one of weight 0."""
        return bisect_right(self.bounds, (hashed * self.total) >> 32)


def _murmur(key: bytes | str) -> int:
    return mmh3.hash(key, 0, False)
