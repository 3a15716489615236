"""Log lines: one outcome, one line, and no client can write a second one.

Most lines are plain: a target answered, and nothing that the client chose needs an escape. Those are made by
one template, which costs a tenth of the request; the few others take the long way to the same fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from time import gmtime, strftime
from typing import NamedTuple

from proxy.plan import Outcome

MOST_BYTES = 4096
"""PIPE_BUF on Linux: so much is written whole, however many processes share the pipe. No line is longer
unless the rules' own names are."""
_PLAIN_BYTES = 1024
_PATH_CHARS, _WORD_CHARS = 128, 64
"""What is kept of odd or long texts that clients choose; an escaped character may take six bytes."""

_PLAIN = bytes(set(range(0x21, 0x7F)) - set(b'"\\?'))
"""Octets that mean nothing in either format; `?` begins the query, which is not logged."""
_THREE_DIGITS = [b"%03d" % number for number in range(1000)]
_ODD = re.compile(r"[^!#-\[\]-~]")

Entry = tuple[float, Outcome]
"""When an exchange ended, in seconds since the epoch, and what became of it."""
Format = Callable[[Sequence[Entry]], list[bytes]]
"""Lines for a batch, in its order, each with its newline."""


def json_lines(entries: Sequence[Entry]) -> list[bytes]:
    """One JSON object a line. `time` is when the request came; what there was none of is null or empty."""
    return _lines(entries, _plain_json, _odd_json, _json_names, "%Y-%m-%dT%H:%M:%S")


def common_lines(entries: Sequence[Entry]) -> list[bytes]:
    """The Common Log Format of httpd, and behind it as `name=value` what that has no place for."""
    return _lines(entries, _plain_common, _odd_common, _common_names, "%d/%b/%Y:%H:%M:%S")


def _lines(
    entries: Sequence[Entry],
    plain: Callable[[Outcome, bytes, bytes, bytes, bytes], bytes],
    odd: Callable[[Outcome, str, str], str],
    names_of: Callable[[Outcome], str],
    time_pattern: str,
) -> list[bytes]:
    # Names are put into words once per batch: the keys live no longer, so no former table is kept alive.
    known: dict[tuple[object, ...], bytes] = {}
    lines, second, text = [], -1, b""
    for ended, outcome in entries:
        came = ended - outcome.duration
        if not second <= came < second + 1:
            second = int(came)
            text = strftime(time_pattern, gmtime(second)).encode()
        millisecond = _THREE_DIGITS[int((came - second) * 1000)]
        plan = outcome.plan
        client = outcome.client.encode("ascii", "replace")
        if plan is None or not _is_plain(outcome, client):
            lines.append(odd(outcome, text.decode(), millisecond.decode()).encode())
            continue
        key = (plan.lane, plan.fleet, plan.choice.reason, outcome.answered_by, outcome.target)
        names = known.get(key)
        if names is None:
            names = known[key] = names_of(outcome).encode()
        lines.append(plain(outcome, client, names, text, millisecond))
    return lines


def _is_plain(outcome: Outcome, client: bytes) -> bool:
    chosen_by_client = b"".join(
        (client, outcome.method, outcome.host, outcome.path, outcome.request_id, outcome.trace_id)
    )
    return not (
        chosen_by_client.translate(None, _PLAIN)
        or outcome.cause
        or outcome.upstream < 0.0
        or outcome.first_byte < 0.0
        or len(chosen_by_client) > _PLAIN_BYTES
        or not outcome.method
    )


def _bucket(outcome: Outcome, none: bytes) -> bytes:
    """Where the identity lies between 0 and 100, to be compared with weights; too coarse to tell who it is."""
    bucket = outcome.plan.choice.bucket if outcome.plan else None
    if bucket is None:
        return none
    thousandths = bucket * 100_000 >> 32
    return b"%d.%b" % (thousandths // 1000, _THREE_DIGITS[thousandths % 1000])


class _Names(NamedTuple):
    """What the rules call the parts of a plan; empty where there is none."""

    service: str = ""
    route: str = ""
    version: str = ""
    answered_by: str = ""
    reason: str = ""
    target: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> _Names:
        plan = outcome.plan
        if plan is None:
            return cls()
        target = str(outcome.target.address) if outcome.target else ""
        lane = plan.lane
        if lane.redirect is not None:
            return cls(lane.service, lane.route, reason="redirect")
        return cls(lane.service, lane.route, plan.fleet.version, outcome.answered_by, plan.choice.reason, target)


# --- JSON ---------------------------------------------------------------------------------


def _plain_json(outcome: Outcome, client: bytes, names: bytes, second: bytes, millisecond: bytes) -> bytes:
    return (
        b'{"time":"%b.%bZ",%b,"bucket":%b,"tries":%d,"status":%d,"cause":"",'
        b'"duration_us":%d,"upstream_us":%d,"first_byte_us":%d,"bytes_in":%d,"bytes_out":%d,'
        b'"method":"%b","host":"%b","path":"%b","client":"%b","request_id":"%b","trace_id":"%b"}\n'
    ) % (
        second,
        millisecond,
        names,
        _bucket(outcome, b"null"),
        outcome.tries,
        outcome.status or 499,
        int(outcome.duration * 1e6),
        int(outcome.upstream * 1e6),
        int(outcome.first_byte * 1e6),
        outcome.bytes_in,
        outcome.bytes_out,
        outcome.method,
        outcome.host,
        outcome.path,
        client,
        outcome.request_id,
        outcome.trace_id,
    )


def _json_names(outcome: Outcome) -> str:
    return json.dumps(_Names.of(outcome)._asdict(), separators=(",", ":"))[1:-1]


def _odd_json(outcome: Outcome, second: str, millisecond: str) -> str:
    fields = {
        "time": f"{second}.{millisecond}Z",
        **_Names.of(outcome)._asdict(),
        "bucket": json.loads(_bucket(outcome, b"null")),
        "tries": outcome.tries,
        "status": outcome.status or 499,
        "cause": outcome.cause,
        "duration_us": int(outcome.duration * 1e6),
        "upstream_us": _microseconds(outcome.upstream),
        "first_byte_us": _microseconds(outcome.first_byte),
        "bytes_in": outcome.bytes_in,
        "bytes_out": outcome.bytes_out,
        "method": _text(outcome.method),
        "host": _text(outcome.host, _PATH_CHARS),
        "path": _text(outcome.path.partition(b"?")[0], _PATH_CHARS),
        "client": outcome.client[:_WORD_CHARS],
        "request_id": _text(outcome.request_id),
        "trace_id": _text(outcome.trace_id),
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _microseconds(seconds: float) -> int | None:
    return None if seconds < 0.0 else int(seconds * 1e6)


def _text(octets: bytes, most: int = _WORD_CHARS) -> str:
    return octets[:most].decode("latin-1")


# --- the common format ----------------------------------------------------------------------


def _plain_common(outcome: Outcome, client: bytes, names: bytes, second: bytes, millisecond: bytes) -> bytes:
    return (
        b'%b - - [%b +0000] "%b %b HTTP/1.%b" %d %d %b bucket=%b tries=%d cause=- '
        b"duration_us=%d upstream_us=%d first_byte_us=%d bytes_in=%d host=%b request_id=%b trace_id=%b\n"
    ) % (
        client or b"-",
        second,
        outcome.method,
        outcome.path or b"-",
        b"0" if outcome.is_http10 else b"1",
        outcome.status or 499,
        outcome.bytes_out,
        names,
        _bucket(outcome, b"-"),
        outcome.tries,
        int(outcome.duration * 1e6),
        int(outcome.upstream * 1e6),
        int(outcome.first_byte * 1e6),
        outcome.bytes_in,
        outcome.host or b"-",
        outcome.request_id or b"-",
        outcome.trace_id or b"-",
    )


def _common_names(outcome: Outcome) -> str:
    return " ".join(f"{name}={_word(text)}" for name, text in _Names.of(outcome)._asdict().items())


def _odd_common(outcome: Outcome, second: str, millisecond: str) -> str:
    path = _word(_text(outcome.path.partition(b"?")[0], _PATH_CHARS), _PATH_CHARS)
    # What never became a request has no request line, which httpd writes as one dash.
    line = f"{_word(_text(outcome.method))} {path} HTTP/1.{0 if outcome.is_http10 else 1}" if outcome.method else "-"
    return (
        f'{_word(outcome.client)} - - [{second} +0000] "{line}" {outcome.status or 499} {outcome.bytes_out} '
        f"{_common_names(outcome)} bucket={_bucket(outcome, b'-').decode()} tries={outcome.tries} "
        f"cause={_word(outcome.cause)} duration_us={int(outcome.duration * 1e6)} "
        f"upstream_us={_dash(outcome.upstream)} first_byte_us={_dash(outcome.first_byte)} "
        f"bytes_in={outcome.bytes_in} host={_word(_text(outcome.host, _PATH_CHARS), _PATH_CHARS)} "
        f"request_id={_word(_text(outcome.request_id))} trace_id={_word(_text(outcome.trace_id))}\n"
    )


def _dash(seconds: float) -> str:
    return "-" if seconds < 0.0 else str(int(seconds * 1e6))


def _word(text: str, most: int = _WORD_CHARS) -> str:
    """One word of printable ASCII, odd characters as `\\xhh`; `-` for nothing."""
    return _ODD.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text[:most]) or "-"
