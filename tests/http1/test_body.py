"""Bodies: every reader whole, byte by byte, and with bytes behind its end."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.body import CHUNKED, UNTIL_CLOSE, BadBody, Body, ChunkedBody, body_of, chunk, last_chunk

_EXTENSIONS = st.sampled_from([b"", b";a", b" ; a=b", b';a="x y"', b"\t;\xff"])


def read(body: Body, *pieces: bytes) -> tuple[bytes, bytes]:
    """The payload of all pieces, and what is behind the end."""
    payload = behind = b""
    for piece in pieces:
        if body.done:
            behind += piece
        else:
            got, rest = body.feed(piece)
            payload += got
            behind += rest
    return payload, behind


def ways(wire: bytes) -> list[tuple[list[bytes], bytes]]:
    """Whole, byte by byte, and with trailing bytes; each with what must be behind the end."""
    return [
        ([wire], b""),
        ([wire[at : at + 1] for at in range(len(wire))], b""),
        ([wire + b"GET / HTTP/1.1"], b"GET / HTTP/1.1"),
    ]


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize(
    ("length", "wire", "payload", "trailers"),
    [
        (5, b"hello", b"hello", b""),
        (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
        (CHUNKED, b"0\r\n\r\n", b"", b""),
        (CHUNKED, b"000\r\n\r\n", b"", b""),
        (CHUNKED, b"A\r\n0123456789\r\n00a;x\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, b""),
        (CHUNKED, b"1\r\n\r\r\n1 ;a\r\n\n\r\n0\r\nX: 1\r\ny:\r\n\r\n", b"\r\n", b"X: 1\r\ny:\r\n"),
    ],
)
def test_a_body_ends_where_its_framing_says(
    length: int, wire: bytes, payload: bytes, trailers: bytes, way: int
) -> None:
    pieces, behind = ways(wire)[way]
    body = body_of(length)
    assert read(body, *pieces) == (payload, behind)
    assert body.done
    assert body.trailers == trailers


def test_a_body_of_no_bytes_is_done_at_once() -> None:
    assert body_of(0).done


def test_a_body_until_the_end_is_never_done_by_itself() -> None:
    body = body_of(UNTIL_CLOSE)
    assert read(body, b"any", b"thing") == (b"anything", b"")
    assert not body.done


@pytest.mark.parametrize("is_bytewise", [True, False])
@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1\n",
        b"1\r\r\n",
        b"1;\r;\r\n",
        b"1;\x00\r\n",
        b"\xc2\xb2\r\n",
        b"00000000000000001\r\n",
        b"fffffffffffffff1\r\n",
        b"1;" + b"a" * 5000 + b"\r\n",
        b"5" * 5000,
        b"1\r\nab",
        b"1\r\na\nb",
        b"1\r\na\rb",
        b"0\r\nX\r\n\r\n",
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\n X: 1\r\n\r\n",
        b"0\r\nX: \x00\r\n\r\n",
        b"0\r\nX: 1\n\r\n",
        b"0\r\n\n",
        b"0\r\nX: " + b"a" * 9000,
        b"0\r\n" + b"X: a\r\n" * 2000,
    ],
)
def test_a_broken_chunked_body_is_refused(wire: bytes, *, is_bytewise: bool) -> None:
    pieces = [wire[at : at + 1] for at in range(len(wire))] if is_bytewise else [wire]
    with pytest.raises(BadBody):
        read(body_of(CHUNKED), *pieces)


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "transfer-encoding",
        "HOST",
        "Set-Cookie",
        "x-forwarded-for",
        "X_Forwarded_Host",
        "x-shunt-version",
    ],
)
def test_a_trailer_cannot_say_what_only_a_head_may(name: str) -> None:
    body = ChunkedBody()
    read(body, b"0\r\n" + name.encode() + b": 1\r\nX-Sum: 2\r\n\r\n")
    assert body.trailers == b"X-Sum: 2\r\n"


@given(
    pieces=st.lists(st.tuples(st.binary(min_size=1, max_size=40), _EXTENSIONS), max_size=8),
    cuts=st.lists(st.integers(0, 500), max_size=20),
    behind=st.binary(max_size=20),
)
def test_what_is_chunked_is_read_back_however_it_is_cut(
    pieces: list[tuple[bytes, bytes]], cuts: list[int], behind: bytes
) -> None:
    written = b"".join(
        re.sub(rb"\r\n", extension.replace(b"\\", rb"\\") + b"\r\n", chunk(piece), count=1)
        for piece, extension in pieces
    )
    wire = written + last_chunk(b"X: 1\r\n") + behind
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    body = ChunkedBody()
    got = read(body, *(wire[start:end] for start, end in pairwise(edges)))
    assert got == (b"".join(piece for piece, _ in pieces), behind)
    assert body.trailers == b"X: 1\r\n"


@given(size=st.integers(0, 60), wire=st.binary(max_size=80), cut=st.integers(0, 80))
def test_a_length_takes_exactly_its_bytes(size: int, wire: bytes, cut: int) -> None:
    body = body_of(size)
    payload, behind = read(body, wire[:cut], wire[cut:])
    assert payload == wire[:size]
    assert behind == wire[size:]
    assert body.done == (len(wire) >= size)
