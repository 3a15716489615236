"""Log lines: one outcome, one line, and no client can write a second one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from time import gmtime, strftime
from typing import NamedTuple

from proxy.plan import Outcome

MOST_BYTES = 4096
"""PIPE_BUF on Linux: so much is written whole, however many processes share the pipe. No line is longer
unless the rules' own names are."""
_PATH_CHARS, _WORD_CHARS = 1024, 128
_ODD_PATH_CHARS, _ODD_WORD_CHARS = 128, 64
"""What is kept of texts that clients choose; an escaped character may take six bytes."""

# Anything but printable ASCII, and what has a meaning in JSON or in the quotes of the common format.
_ODD = re.compile(r"[^ !#-\[\]-~]").search
_ODD_WORD = re.compile(r"[^!#-\[\]-~]")


class Entry(NamedTuple):
    """One exchange that is to be logged; `ended` in seconds since the epoch."""

    ended: float
    outcome: Outcome


Format = Callable[[Sequence[Entry]], list[str]]
"""Lines for a batch, in its order, each with its newline."""


def json_lines(entries: Sequence[Entry]) -> list[str]:
    """One JSON object a line. `time` is when the request came; what there was none of is null or empty."""
    return _lines(entries, _json_line, _json_names, "%Y-%m-%dT%H:%M:%S")


def common_lines(entries: Sequence[Entry]) -> list[str]:
    """The Common Log Format of httpd, and behind it as `name=value` what that has no place for."""
    return _lines(entries, _common_line, _common_names, "%d/%b/%Y:%H:%M:%S")


def _lines(
    entries: Sequence[Entry],
    line: Callable[[Outcome, str, str, int], str],
    names_of: Callable[[Outcome], str],
    time_pattern: str,
) -> list[str]:
    # Names are put into words once per batch: the keys live no longer, so no former table is kept alive.
    known: dict[tuple[object, ...], str] = {}
    lines, second, second_text = [], -1, ""
    for ended, outcome in entries:
        plan = outcome.plan
        key = (plan.lane, plan.fleet, plan.choice.reason, outcome.answered_by, outcome.target) if plan else ()
        names = known.get(key)
        if names is None:
            names = known[key] = names_of(outcome)
        came = ended - outcome.duration
        if second != int(came):
            second = int(came)
            second_text = strftime(time_pattern, gmtime(second))
        lines.append(line(outcome, names, second_text, int((came - second) * 1000)))
    return lines


def bucket_percent(outcome: Outcome) -> float | None:
    """Where the identity lies between 0 and 100, to be compared with weights; too coarse to tell who it is."""
    bucket = outcome.plan and outcome.plan.choice.bucket
    return None if bucket is None else bucket * 100 / 2**32


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
        lane, version = plan.lane, plan.fleet.version
        return cls(lane.service, lane.route, version, outcome.answered_by, plan.choice.reason, target)


def _json_names(outcome: Outcome) -> str:
    return ",".join(f'"{name}":{quoted(text)}' for name, text in _Names.of(outcome)._asdict().items())


def _json_line(outcome: Outcome, names: str, second: str, millisecond: int) -> str:
    method = outcome.method.decode("latin-1")
    path = outcome.path.partition(b"?")[0].decode("latin-1")
    client = outcome.client
    request_id = outcome.request_id.decode("latin-1")
    trace_id = outcome.trace_id.decode("latin-1")
    chosen_by_client = f"{method}{path}{client}{request_id}{trace_id}"
    if len(chosen_by_client) > _PATH_CHARS or _ODD(chosen_by_client):
        path = _quoted(path, _PATH_CHARS, _ODD_PATH_CHARS)
        method, client, request_id, trace_id = map(_quoted, (method, client, request_id, trace_id))
    bucket = bucket_percent(outcome)
    return (
        f'{{"time":"{second}.{millisecond:03d}Z",{names},'
        f'"bucket":{"null" if bucket is None else f"{bucket:.3f}"},"tries":{outcome.tries},'
        f'"status":{outcome.status or 499},"cause":"{outcome.cause}","duration_ms":{outcome.duration * 1000:.3f},'
        f'"upstream_ms":{_milliseconds(outcome.upstream)},"first_byte_ms":{_milliseconds(outcome.first_byte)},'
        f'"bytes_in":{outcome.bytes_in},"bytes_out":{outcome.bytes_out},'
        f'"method":"{method}","path":"{path}","client":"{client}",'
        f'"request_id":"{request_id}","trace_id":"{trace_id}"}}\n'
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3f}" if seconds >= 0.0 else "null"


def _quoted(text: str, most: int = _WORD_CHARS, most_odd: int = _ODD_WORD_CHARS) -> str:
    return quoted(text[:most_odd])[1:-1] if _ODD(text) else text[:most]


def _common_names(outcome: Outcome) -> str:
    return " ".join(f"{name}={_word(text)}" for name, text in _Names.of(outcome)._asdict().items())


def _common_line(outcome: Outcome, names: str, second: str, millisecond: int) -> str:
    client = _word(outcome.client)
    method = _word(outcome.method.decode("latin-1"))
    path = _word(outcome.path.partition(b"?")[0].decode("latin-1"), _PATH_CHARS, _ODD_PATH_CHARS)
    request_id = _word(outcome.request_id.decode("latin-1"))
    trace_id = _word(outcome.trace_id.decode("latin-1"))
    bucket = bucket_percent(outcome)
    # The outcome does not say which HTTP/1 it was, so the request line here has none; parsers allow for that.
    return (
        f'{client} - - [{second} +0000] "{method} {path}" {outcome.status or 499} {outcome.bytes_out} '
        f"{names} bucket={'-' if bucket is None else f'{bucket:.3f}'} tries={outcome.tries} "
        f"cause={outcome.cause or '-'} duration_ms={outcome.duration * 1000:.3f} "
        f"upstream_ms={_milliseconds(outcome.upstream)} first_byte_ms={_milliseconds(outcome.first_byte)} "
        f"bytes_in={outcome.bytes_in} request_id={request_id} trace_id={trace_id}\n"
    )


def _word(text: str, most: int = _WORD_CHARS, most_odd: int = _ODD_WORD_CHARS) -> str:
    """One word of printable ASCII, odd characters as `\\xhh`; `-` for nothing."""
    if _ODD_WORD.search(text):
        return _ODD_WORD.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text[:most_odd])
    return text[:most] or "-"
