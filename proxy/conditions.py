"""Conditions: who is meant, in one grammar for `match` and `when`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter, methodcaller
from typing import NamedTuple

from proxy.flags.asker import Asker
from proxy.model import Dice, Request, needle
from proxy.units import Percent
from proxy.values import network, numeric, path_prefix, pattern, query_reader

STRICT = {"extra": "forbid", "alias_generator": lambda name: name.rstrip("_"), "populate_by_name": False}
"""For pydantic, which reads it off the class: unknown keys are faults; `not_` is written `not`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """How a value is compared: exactly one of exact, prefix, regex (RE2, whole value), present."""

    __pydantic_config__ = STRICT

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None
    present: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """All given parts must hold; see the reference of `match` and `when`."""

    __pydantic_config__ = STRICT

    path: Text | None = None
    method: tuple[str, ...] = ()
    header: dict[str, Text] = field(default_factory=dict)
    cookie: dict[str, Text] = field(default_factory=dict)
    query: dict[str, Text] = field(default_factory=dict)
    client: tuple[str, ...] = ()
    flag: dict[str, str] = field(default_factory=dict)
    percent: Percent | None = None
    any: tuple[When, ...] = ()
    not_: When | None = None


BUCKETS = 1 << 32
Identity = bytes | None
Test = Callable[[Request, Identity, Dice], bool]
"""A compiled condition: whether it holds for this request of this identity."""
WhyNot = Callable[[Request, Identity, Dice], str]
"""In plain words why a test did not hold; asked only when it did not."""


class Context(NamedTuple):
    """What conditions need from outside the request; the table hands it in, once per rule."""

    bucket: Callable[[], Callable[[bytes], int]]
    """Makes the function for an identity's place in range(BUCKETS), salted by service and rule; only `percent` asks."""
    flags: Asker | None = None
    """None: a `flag` condition is never met."""


def compiled(when: When, context: Context) -> Test | None:
    """The test that `when` stands for, None if it asks for nothing; Invalid if a value cannot be read."""
    tests = tuple(test for test, _ in _parts(when, context))
    return _all(tests) if tests else None


def why_not(when: When, context: Context, request: Request, identity: Identity, dice: Dice) -> str | None:
    """In plain words the first part of `when` that does not hold; None if all do."""
    for test, reason in _parts(when, context):
        if not test(request, identity, dice):
            return reason(request, identity, dice)
    return None


def needs_identity(when: When) -> bool:
    """Whether who is asking can make a difference."""
    return bool(when.flag) or when.percent is not None or any(needs_identity(each) for each in _inner(when))


def flags_of(when: When) -> Iterator[str]:
    """The flags that it asks, in the order written."""
    yield from when.flag
    for each in _inner(when):
        yield from flags_of(each)


def _inner(when: When) -> tuple[When, ...]:
    return when.any if when.not_ is None else (*when.any, when.not_)


# --- the parts, cheapest first ------------------------------------------------------------

_Part = tuple[Test, WhyNot]
_Read = Callable[[Request], bytes | None]


def _parts(when: When, context: Context) -> Iterator[_Part]:
    yield from _request_parts(when)
    yield from _asker_parts(when, context)
    if when.not_ is not None:
        yield _not_part(compiled(when.not_, context))
    if when.any:
        yield _any_part(when.any, context)


def _request_parts(when: When) -> Iterator[_Part]:
    if when.method:
        yield _method_part(when.method)
    if when.path is not None:
        yield _path_part(when.path)
    for name, text in when.header.items():
        yield _value_part(f"header {name.lower()}", methodcaller("field", needle(name)), text)
    for name, text in when.cookie.items():
        yield _value_part(f"cookie {name}", methodcaller("cookie", name.encode()), text)
    for name, text in when.query.items():
        yield _value_part(f"query parameter {name}", query_reader(name.encode()), text)


def _asker_parts(when: When, context: Context) -> Iterator[_Part]:
    if when.client:
        yield _client_part(when.client)
    if when.percent is not None:
        yield _percent_part(when.percent, context.bucket())
    for key, wanted in when.flag.items():
        yield _flag_part(key, wanted, context.flags)


def _all(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda request, identity, dice: first(request, identity, dice) and second(request, identity, dice)

    def every(request: Request, identity: Identity, dice: Dice) -> bool:
        for test in tests:  # noqa: SIM110  a plain loop costs half of a generator
            if not test(request, identity, dice):
                return False
        return True

    return every


def _method_part(methods: tuple[str, ...]) -> _Part:
    wanted = frozenset(method.upper().encode() for method in methods)
    return (
        lambda request, identity, dice: request.method in wanted,
        lambda request, identity, dice: f"method {_show(request.method)} is not {_either(methods)}",
    )


def _path_part(text: Text) -> _Part:
    if text.prefix is None:
        return _value_part("path", attrgetter("path"), text)
    segments = path_prefix(text.prefix)
    under = segments + b"/"
    return (
        lambda request, identity, dice: request.path == segments or request.path.startswith(under) or not segments,
        lambda request, identity, dice: f"path {_show(request.path)} is not below {_show(segments)}",
    )


def _value_part(label: str, read: _Read, text: Text) -> _Part:
    test, wanted = _comparison(read, text)

    def reason(request: Request, identity: Identity, dice: Dice) -> str:
        found = read(request)
        return f"{label} is absent" if found is None else f"{label} is {_show(found)}, {wanted}"

    return test, reason


def _comparison(read: _Read, text: Text) -> tuple[Test, str]:
    """A test of the value that `read` finds, and what to say of a value that fails it."""
    if text.exact is not None:
        exact = text.exact.encode()
        return lambda request, identity, dice: read(request) == exact, f"not {text.exact}"
    if text.prefix is not None:
        prefix = text.prefix.encode()
        return (
            lambda request, identity, dice: (found := read(request)) is not None and found.startswith(prefix),
            f"which does not begin with {text.prefix}",
        )
    if text.regex is not None:
        matches = pattern(text.regex)
        return (
            lambda request, identity, dice: (found := read(request)) is not None and matches(found),
            f"which does not match {text.regex}",
        )
    if text.present is False:
        return lambda request, identity, dice: read(request) is None, "but must be absent"
    return lambda request, identity, dice: read(request) is not None, ""


# --- who is asking ------------------------------------------------------------------------


def _client_part(texts: tuple[str, ...]) -> _Part:
    networks = tuple(network(text) for text in texts)

    def is_within(request: Request, identity: Identity, dice: Dice) -> bool:
        version, number = numeric(request.client)
        return any(version == each and number & mask == base for each, mask, base in networks)

    return (
        is_within,
        lambda request, identity, dice: f"client {request.client or 'without address'} is not in {_either(texts)}",
    )


def _percent_part(percent: float, bucket: Callable[[bytes], int]) -> _Part:
    limit = percent / 100 * BUCKETS

    def is_drawn(request: Request, identity: Identity, dice: Dice) -> bool:
        # Without identity every request is drawn on its own.
        return (dice.random() * BUCKETS if identity is None else bucket(identity)) < limit

    def reason(request: Request, identity: Identity, dice: Dice) -> str:
        if identity is None:
            return f"the draw, made for each request without identity, was not within {percent:g} %"
        return f"the identity falls at {bucket(identity) / BUCKETS:.2%}, not within {percent:g} %"

    return is_drawn, reason


def _flag_part(key: str, wanted: str, flags: Asker | None) -> _Part:
    if flags is None:
        return (
            lambda request, identity, dice: False,
            lambda request, identity, dice: f"flag {key} is unknown: there are no flags",
        )
    decide = flags.about(key)

    def reason(request: Request, identity: Identity, dice: Dice) -> str:
        found = decide(request, identity)
        undecided = "undecided" if found.error is None else f"undecided ({found.error.details})"
        return f"flag {key} is {_either(found.words) or undecided}, not {wanted}"

    return lambda request, identity, dice: wanted in decide(request, identity).words, reason


# --- several ------------------------------------------------------------------------------


def _not_part(unwanted: Test | None) -> _Part:
    return (
        lambda request, identity, dice: unwanted is not None and not unwanted(request, identity, dice),
        lambda request, identity, dice: "what `not` excludes holds",
    )


def _any_part(alternatives: tuple[When, ...], context: Context) -> _Part:
    tests = tuple(compiled(each, context) for each in alternatives)

    def is_one_met(request: Request, identity: Identity, dice: Dice) -> bool:
        return any(test is None or test(request, identity, dice) for test in tests)

    def reason(request: Request, identity: Identity, dice: Dice) -> str:
        reasons = (why_not(each, context, request, identity, dice) for each in alternatives)
        return "none of `any` holds: " + "; ".join(each or "" for each in reasons)

    return is_one_met, reason


def _either(wanted: tuple[str, ...]) -> str:
    return " or ".join(wanted)


def _show(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace") or '""'
