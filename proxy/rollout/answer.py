"""What a provider answered, narrowed to the result that conditions ask about; LookupError when it is not there."""

from __future__ import annotations

import re
from math import nan

_PART = re.compile(r"\.([A-Za-z_][\w-]*)|\[(-?\d+)\]|\[['\"]([^'\"\]]*)['\"]\]")


def prometheus_result(document: object) -> object:
    """The values of an instant query's answer: a list for a vector, one number for a scalar."""
    if pick(document, "{$.status}") != "success":
        raise LookupError(f"Prometheus answered {document!r:.200}")
    kind, result = pick(document, "{$.data.resultType}"), pick(document, "{$.data.result}")
    if kind == "scalar" and isinstance(result, list):
        return _number(result)
    if kind == "vector" and isinstance(result, list):
        return [_number(pick(sample, "{$.value}")) for sample in result]
    raise LookupError(f"Prometheus answered with a {kind!r}, not a vector or scalar")


def pick(document: object, path: str) -> object:
    """The part of a JSON document at `{$.a.b[0].c}`; LookupError naming what is missing."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if text and text[0] not in ".[":
        text = f".{text}"
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise LookupError(f"cannot read the path {path!r} at {text[at:]!r}")
        document = _member(document, match, path)
        at = match.end()
    return document


def _member(document: object, match: re.Match[str], path: str) -> object:
    if match[2] is not None:
        if isinstance(document, list) and -len(document) <= int(match[2]) < len(document):
            return document[int(match[2])]
    elif isinstance(document, dict):
        name = match[1] if match[1] is not None else match[3]
        if name in document:
            return document[name]
    raise LookupError(f"{path}: no {match[0]} in {document!r:.200}")


def _number(pair: object) -> float:
    """Prometheus writes samples as [time, "text"]."""
    if not isinstance(pair, list) or len(pair) != 2:
        raise LookupError(f"{pair!r:.200} is not a sample")
    return nan if pair[1] == "NaN" else float(pair[1])
