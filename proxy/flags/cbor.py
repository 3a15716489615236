"""Canonical CBOR (RFC 8949 §4.2.3): the one sequence of bytes that a bucketing key has in every language."""

from __future__ import annotations

from math import isinf, isnan
from struct import pack, unpack

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_FALSE, _TRUE, _NULL = b"\xf4", b"\xf5", b"\xf6"
_POSITIVE_BIGNUM, _NEGATIVE_BIGNUM = b"\xc2", b"\xc3"
_WORD = 1 << 64


def encode(value: object) -> bytes:
    """The canonical CBOR of a JSON value; a whole float is encoded as the integer that it is.

    TypeError if it is no JSON value, UnicodeEncodeError if a text has a lone surrogate.
    """
    match value:
        case str():
            return encode_text(value)
        case None:
            return _NULL
        case bool():
            return _TRUE if value else _FALSE
        case int():
            return _integer(value)
        case float():
            return _float(value)
        case list():
            return _head(_ARRAY, len(value)) + b"".join(map(encode, value))
        case dict():
            # RFC 7049 §3.9, which flagd's bucketing follows: shorter keys first, then bytewise.
            pairs = sorted(((encode(key), encode(item)) for key, item in value.items()), key=_key_order)
            return _head(_MAP, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def encode_text(text: str) -> bytes:
    """The canonical CBOR of a text."""
    utf8 = text.encode()
    return text_head(len(utf8)) + utf8


def text_head(length: int) -> bytes:
    """The bytes that open a text of so many bytes."""
    return _head(_TEXT, length)


def array_head(length: int) -> bytes:
    """The bytes that open an array of so many items."""
    return _head(_ARRAY, length)


def _key_order(pair: tuple[bytes, bytes]) -> tuple[int, bytes]:
    return len(pair[0]), pair[0]


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return pack(">B", major | argument)
    if argument < 1 << 8:
        return pack(">BB", major | 24, argument)
    if argument < 1 << 16:
        return pack(">BH", major | 25, argument)
    if argument < 1 << 32:
        return pack(">BI", major | 26, argument)
    return pack(">BQ", major | 27, argument)


def _integer(value: int) -> bytes:
    if 0 <= value < _WORD:
        return _head(_UNSIGNED, value)
    if -_WORD <= value < 0:
        return _head(_NEGATIVE, -1 - value)
    magnitude = value if value > 0 else -1 - value
    digits = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
    return (_POSITIVE_BIGNUM if value > 0 else _NEGATIVE_BIGNUM) + _head(_BYTES, len(digits)) + digits


def _float(value: float) -> bytes:
    if isnan(value):
        return b"\xf9\x7e\x00"
    if isinf(value):
        return b"\xf9\x7c\x00" if value > 0 else b"\xf9\xfc\x00"
    # Whole floats become integers as far as an integer of 64 bits reaches, on either side of zero.
    if value.is_integer() and -(2**63) <= value <= 2**64 - 1:
        return _integer(int(value))
    for code, marker in (("e", b"\xf9"), ("f", b"\xfa")):
        try:
            packed = pack(f">{code}", value)
        except OverflowError:
            continue
        if unpack(f">{code}", packed)[0] == value:
            return marker + packed
    return b"\xfb" + pack(">d", value)


TEXT_HEADS = tuple(text_head(length) for length in range(256))
"""Made beforehand, for every request with a percentage asks for one."""
