"""What a line of the access log says, and what it never gives away."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import answered, fleet, refused, unanswered

from proxy.model import Choice
from proxy.observe.log_lines import MOST_BYTES, Entry, common_lines, json_lines
from proxy.plan import Lane, Outcome
from proxy.rules import Redirect

NOON = 1_795_435_200.250
COMMON = re.compile(r'\S+ - - \[[^\]]+\] "(?:-|\S+ \S+ HTTP/1\.[01])" \d{3} \d+( [a-z_]+=\S+)+\n')


def json_text(entries: list[Entry]) -> list[str]:
    return [line.decode("ascii") for line in json_lines(entries)]


def common_text(entries: list[Entry]) -> list[str]:
    return [line.decode("ascii") for line in common_lines(entries)]


def read(outcome: Outcome) -> dict[str, object]:
    (line,) = json_text([(NOON, outcome)])
    assert line.endswith("\n")
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_json_line_tells_who_answered_why_and_how_long_it_took() -> None:
    stable, candidate = fleet("stable"), fleet("candidate")
    choice = Choice("candidate", "canary", randomised=True, weight=0.6, bucket=1 << 31)
    outcome = answered(candidate, stable, lane=Lane("shop", "api"), drawn_failure="500", tries=2, choice=choice)
    assert read(outcome) == {
        "time": "2026-11-23T12:00:00.240Z",
        "service": "shop",
        "route": "api",
        "version": "candidate",
        "answered_by": "stable",
        "reason": "canary",
        "target": "http://127.0.0.1:8080",
        "bucket": 50.0,
        "tries": 2,
        "status": 200,
        "cause": "",
        "duration_us": 10000,
        "upstream_us": 8000,
        "first_byte_us": 7000,
        "bytes_in": 100,
        "bytes_out": 1000,
        "method": "GET",
        "host": "shop.test:8080",
        "path": "/cart",
        "client": "127.0.0.1",
        "request_id": "r-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }


def test_a_common_line_begins_as_httpd_writes_it_and_says_the_rest_by_name() -> None:
    (line,) = common_text([(NOON, answered())])
    assert line.startswith(
        '127.0.0.1 - - [23/Nov/2026:12:00:00 +0000] "GET /cart HTTP/1.1" 200 1000 service=shop route=- '
    )
    assert "version=v1 answered_by=v1 reason=canary target=http://127.0.0.1:8080 bucket=50.000 tries=1" in line
    assert COMMON.fullmatch(line)


def test_the_common_line_says_which_protocol_the_client_spoke() -> None:
    old, unreadable = answered(), refused("bad_request", 400)
    old.is_http10, unreadable.method = True, b""
    lines = common_text([(NOON, old), (NOON, unreadable)])
    assert '"GET /cart HTTP/1.0" 200' in lines[0]
    assert '"-" 400' in lines[1]


def test_nobody_is_drawn_for_a_redirect() -> None:
    outcome = unanswered("", status=302)
    assert outcome.plan is not None
    outcome.plan.lane.redirect = Redirect(host="new.test")
    seen = read(outcome)
    assert (seen["service"], seen["version"], seen["reason"]) == ("shop", "", "redirect")


def test_the_query_is_left_out() -> None:
    outcome = answered()
    outcome.path = b"/login?password=hunter2"
    assert read(outcome)["path"] == "/login"
    assert "hunter2" not in common_text([(NOON, outcome)])[0]


def test_a_client_that_left_is_logged_as_499() -> None:
    gone = answered(status=0)
    gone.cause = "aborted"
    assert (read(gone)["status"], read(gone)["cause"]) == (499, "aborted")


def test_what_there_was_none_of_is_null_or_empty() -> None:
    outcome = unanswered("no_target")
    outcome.first_byte = -1.0
    seen = read(outcome)
    assert (seen["answered_by"], seen["target"], seen["upstream_us"], seen["first_byte_us"]) == ("", "", None, None)
    assert read(refused("no_service"))["service"] == ""
    assert COMMON.fullmatch(common_text([(NOON, refused("no_service"))])[0])


def test_names_of_the_rules_are_quoted_too() -> None:
    odd = answered(fleet('v"1\n', service="shöp"))
    assert (read(odd)["service"], read(odd)["version"]) == ("shöp", 'v"1\n')


FORGED = [
    b'/"},{"status":200',
    b"/\r\n10.0.0.1 - - [x] forged",
    b"/\x00\x1b[31m\x7f",
    b"/caf\xc3\xa9\\",
    b'/" 200 0 "',
    b"/" + b"\xff" * 9000,
    b"/" + b"a" * 9000,
]


@pytest.mark.parametrize("text", FORGED)
def test_no_client_can_forge_a_line_or_make_one_too_long_for_a_pipe(text: bytes) -> None:
    outcome = answered()
    outcome.path, outcome.method, outcome.request_id = text, text, text
    outcome.trace_id, outcome.host, outcome.client = text, text, text.decode("latin-1")
    (as_json,) = json_text([(NOON, outcome)])
    (as_common,) = common_text([(NOON, outcome)])
    for line in (as_json, as_common):
        assert line.count("\n") == 1
        assert line.rstrip("\n").isprintable()
        assert line.isascii()
        assert len(line) <= MOST_BYTES
    assert json.loads(as_json)["status"] == 200
    assert COMMON.fullmatch(as_common)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_any_bytes_make_one_line_that_parses(octets: bytes, client: str) -> None:
    outcome = answered()
    outcome.path, outcome.method, outcome.request_id, outcome.client = octets, octets, octets, client
    outcome.host = octets
    seen = read(outcome)
    assert str(seen["path"]) == octets.partition(b"?")[0].decode("latin-1")[: len(str(seen["path"]))]
    assert COMMON.fullmatch(common_text([(NOON, outcome)])[0])


def test_a_batch_keeps_its_order_across_a_second() -> None:
    lines = json_text([(NOON + n * 0.4, answered()) for n in range(4)])
    assert [json.loads(line)["time"][17:21] for line in lines] == ["00.2", "00.6", "01.0", "01.4"]


def test_the_short_way_and_the_long_way_write_the_same_line() -> None:
    for choice in (None, Choice("v1", "rolling")):
        plain, odd = answered(choice=choice), answered(choice=choice)
        odd.path = plain.path + b"?left-out"
        entries: list[Entry] = [(NOON, plain), (NOON, odd)]
        short, long = (json.loads(line) for line in json_lines(entries))
        assert list(short.items()) == list(long.items())
        short, long = common_lines(entries)
        assert short == long
