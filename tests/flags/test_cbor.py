"""Canonical CBOR, byte for byte that of cbor2."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.flags.cbor import encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def whole(value: object) -> object:
    """What flagd makes of whole floats before it encodes them."""
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value <= 2**64 - 1:
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {key: whole(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(JSON)
def test_every_json_value_is_encoded_as_by_cbor2(value: object) -> None:
    assert encode(value) == cbor2.dumps(whole(value), canonical=True)


@pytest.mark.parametrize("length", [23, 24, 255, 256, 65535, 65536])
def test_lengths_are_written_as_short_as_they_can_be(length: int) -> None:
    for value in ("x" * length, [0] * length, 1 << (length % 200), -length):
        assert encode(value) == cbor2.dumps(value, canonical=True)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        encode({1, 2})
