"""Stickiness: who asks is recognised, and falls where he always fell."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Invalid
from proxy.model import Request
from proxy.strategies.sticky import bucket, identifier, mint


def request(**headers: str) -> Request:
    return Request.of(headers=[(name.replace("_", "-"), value) for name, value in headers.items()], client="10.0.0.7")


def test_a_bucket_is_the_same_in_every_process_and_every_release_of_shunt() -> None:
    assert bucket("shop", b"alice") == 195148431
    assert bucket("blog", b"alice") == 4059710783


def test_a_salt_may_be_longer_than_the_key_of_a_hash() -> None:
    assert bucket("s" * 100, b"alice") != bucket("s" * 101, b"alice")


def test_buckets_are_spread_evenly() -> None:
    counted = Counter(bucket("shop", b"%d" % number) * 16 >> 32 for number in range(160_000))
    chi_squared = sum((counted[part] - 10_000) ** 2 / 10_000 for part in range(16))
    assert chi_squared < 45  # 15 degrees of freedom: one hash function in ten thousand is as uneven


@given(st.text(min_size=1, max_size=80), st.binary(max_size=80))
def test_a_bucket_has_32_bits(salt: str, identity: bytes) -> None:
    assert 0 <= bucket(salt, identity) < 2**32


def test_the_first_present_source_says_who_asks() -> None:
    identify = identifier(("header:X-User-Id", "cookie:session", "client"))
    assert identify(request(x_user_id="alice", cookie="session=s1")) == b"alice"
    assert identify(request(cookie="theme=dark; session=s1")) == b"s1"
    assert identify(request()) == b"10.0.0.7"


def test_an_empty_value_is_nobody() -> None:
    identify = identifier(("header:x-user-id", "cookie:session"))
    assert identify(request(x_user_id="", cookie="session=")) is None
    assert identifier(("header:x-user-id",))(request(x_user_id="")) is None


def test_without_sources_nobody_is_known() -> None:
    assert identifier(())(request(x_user_id="alice")) is None


def test_a_minted_identity_is_recognised_when_it_comes_back() -> None:
    minted = mint(Random(1))
    assert len(bytes.fromhex(minted.decode())) == 16
    assert identifier(("header:x-user-id", "mint"))(request(cookie=f"shunt_id={minted.decode()}")) == minted


@pytest.mark.parametrize("source", ["", "header", "header:", "cookie:", "session", "query:id"])
def test_an_unknown_source_is_refused(source: str) -> None:
    with pytest.raises(Invalid, match="is not an identity such as"):
        identifier((source,))
