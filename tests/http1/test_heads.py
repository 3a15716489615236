"""Heads: one head, one meaning, read where it lies."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import (
    BadAnswer,
    BadRequest,
    HeadTooLarge,
    LengthRequired,
    NotImplementedHere,
    TargetTooLong,
    VersionNotSupported,
)
from proxy.http1.body import CHUNKED, UNTIL_CLOSE
from proxy.http1.forwarding import client_address, request_head, response_head, without
from proxy.http1.request import RequestHead, RequestLimits, host_name, parse_request
from proxy.http1.response import check_beginning, parse_response

_LIMITS = RequestLimits()


def request(*lines: str, first: str = "GET / HTTP/1.1", host: str = "Host: shop", trusted: bool = False) -> RequestHead:
    head = "\r\n".join([first, *([host] if host else []), *lines, "", ""]).encode("latin-1")
    return parse_request(head, _LIMITS, via_name=b"me", trusted=trusted)


def answer(*lines: str, first: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), 0),
        (("Content-Length: 5",), 5),
        (("content-LENGTH:00005\t",), 5),
        (("Content-Length: 9223372036854775807",), (1 << 63) - 1),
        (("Transfer-Encoding: chunked",), CHUNKED),
        (("transfer-encoding:\tCHUNKED ",), CHUNKED),
    ],
)
def test_a_request_s_length_is_what_its_fields_say(lines: tuple[str, ...], length: int) -> None:
    assert request(*lines).length == length


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Shop", "shop"),
        ("shop:80", "shop"),
        ("shop:", "shop"),
        ("shop.", "shop"),
        ("[::1]:80", "[::1]"),
        ("[FE80::1%25eth0]", "[fe80::1%25eth0]"),
        ("a_b-c.d", "a_b-c.d"),
        ("1.2.3.4", "1.2.3.4"),
        ("", ""),
    ],
)
def test_a_host_is_a_name_in_lower_case_without_port(value: str, name: str) -> None:
    assert host_name(value.encode()) == name
    assert request(host=f"Host: {value}").host == name


@pytest.mark.parametrize(
    ("first", "lines", "keeps"),
    [
        ("GET / HTTP/1.1", (), True),
        ("GET / HTTP/1.1", ("Connection: close",), False),
        ("GET / HTTP/1.1", ("Connection: x , Close",), False),
        ("GET / HTTP/1.0", (), False),
        ("GET / HTTP/1.0", ("Connection: Keep-Alive",), True),
    ],
)
def test_a_connection_is_kept_as_its_version_and_fields_say(first: str, lines: tuple[str, ...], *, keeps: bool) -> None:
    assert request(*lines, first=first).keep_alive is keeps


def test_via_counts_how_often_a_request_came_through_here() -> None:
    assert request("Via: 1.1 me, 1.1 you", "via: 1.0 me").vias == 2


@pytest.mark.parametrize("byte", [*range(0x20), 0x7F])
def test_no_control_character_passes_in_a_value_but_tab(byte: int) -> None:
    line = f"X: a{chr(byte)}b"
    if byte == 9:
        assert request(line)
    else:
        with pytest.raises(BadRequest):
            request(line)
        with pytest.raises(BadAnswer):
            parse_response(answer(line))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_an_error_of_ours(junk: bytes) -> None:
    for head in (junk + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n" + junk + b"\r\n\r\n"):
        with suppress(BadRequest, LengthRequired, TargetTooLong, HeadTooLarge, NotImplementedHere, VersionNotSupported):
            parse_request(head, _LIMITS)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_malformed(junk: bytes) -> None:
    for head in (junk + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + junk + b"\r\n\r\n"):
        with suppress(BadAnswer):
            parse_response(head)


_NAMES = st.sampled_from(
    ["X-A", "x-b", "Connection", "Cookie", "Keep-Alive", "TE", "Via", "x-forwarded-for", "Upgrade"]
)
_VALUES = st.sampled_from(["1", "x-a", "close, X-B", "keep-alive", "websocket", "", "\xff"])


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=12))
def test_what_goes_out_is_what_came_in_less_whole_lines(fields: list[tuple[str, str]]) -> None:
    head = request(*(f"{name}: {value}" for name, value in fields))
    kept = without(head.head, head.fields_at, head.cuts).split(b"\r\n")
    came = head.head[head.fields_at :].split(b"\r\n")
    assert kept[-1] == b""
    remaining = iter(came)
    assert all(line in remaining for line in kept if line), "in order, none changed, none invented"
    listed = {option.strip().lower() for name, value in fields if name == "Connection" for option in value.split(",")}
    names = {line.partition(b":")[0].lower().decode() for line in kept if line}
    assert not names & {"connection", "keep-alive", "te", "upgrade", "x-forwarded-for"}
    assert not names & listed & {"x-a", "x-b"}


@pytest.mark.parametrize(
    ("first", "lines", "to_head", "length"),
    [
        ("HTTP/1.1 200 OK", ("Content-Length: 5",), False, 5),
        ("HTTP/1.1 200 OK", ("Content-Length: 5",), True, 0),
        ("HTTP/1.1 200 OK", ("Transfer-Encoding: Chunked",), False, CHUNKED),
        ("HTTP/1.1 200 OK", (), False, UNTIL_CLOSE),
        ("HTTP/1.0 200 OK", (), False, UNTIL_CLOSE),
        ("HTTP/1.1 204 No Content", ("Content-Length: 5",), False, 0),
        ("HTTP/1.1 304 Not Modified", ("Content-Length: 5",), False, 0),
        ("HTTP/1.1 103 Early Hints", (), False, 0),
    ],
)
def test_an_answer_s_length_follows_rfc_9112(first: str, lines: tuple[str, ...], length: int, *, to_head: bool) -> None:
    assert parse_response(answer(*lines, first=first), to_head=to_head).length == length


def test_a_204_does_not_pass_a_length_on() -> None:
    response = parse_response(answer("Content-Length: 5", first="HTTP/1.1 204 No Content"))
    assert response_head(response, b"") == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_an_answer_is_always_http_1_1_on_its_way_out() -> None:
    response = parse_response(answer("X: 1", first="HTTP/1.0 404 \xff"))
    assert response_head(response, b"Y: 2\r\n") == b"HTTP/1.1 404 \xff\r\nX: 1\r\nY: 2\r\n\r\n"


@pytest.mark.parametrize("beginning", [b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 OK\r\nX: 1\r\n"])
def test_the_beginning_of_an_answer_is_waited_on(beginning: bytes) -> None:
    check_beginning(beginning)


@pytest.mark.parametrize("beginning", [b"X", b"HTTP/2", b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200\r\nX: \x00", b"\r\n"])
def test_what_can_become_no_answer_is_refused_at_once(beginning: bytes) -> None:
    with pytest.raises(BadAnswer):
        check_beginning(beginning)


def test_a_request_goes_out_as_http_1_1_with_a_host() -> None:
    old = request(first="GET /x HTTP/1.0", host="")
    assert request_head(old, b"", b"") == b"GET /x HTTP/1.1\r\nHost: \r\n"


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("junk, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy_s(forwarded_for: str, client: str) -> None:
    trusted = (ip_network("10.0.0.0/8"),)
    assert client_address("10.0.0.1", forwarded_for.encode(), trusted) == client


@pytest.mark.parametrize("method", ["GET", "M" * 40])
def test_a_target_may_be_exactly_as_long_as_its_limit(method: str) -> None:
    limits = RequestLimits(target_bytes=100)

    def parse(length: int) -> RequestHead:
        target = "/" + "a" * (length - 1)
        return parse_request(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), limits)

    assert len(parse(100).target) == 100
    with pytest.raises(TargetTooLong):
        parse(101)


def test_a_head_may_have_exactly_as_many_fields_and_bytes_as_its_limits() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 9 + b"\r\n"
    assert parse_request(head, RequestLimits(head_fields=10, head_bytes=len(head)))
    with pytest.raises(HeadTooLarge):
        parse_request(head, RequestLimits(head_fields=9))
    with pytest.raises(HeadTooLarge):
        parse_request(head, RequestLimits(head_bytes=len(head) - 1))
