"""Injection: the headers that tell an application what the route already knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import quote

from proxy.flags.asker import Asker, Identity
from proxy.flags.flag import Context
from proxy.flags.flagset import FlagSet, assign
from proxy.model import Request

FLAGS, VARIANT, REVISION = b"x-shunt-flags", b"x-shunt-variant", b"x-shunt-revision"
"""Copies that a client sends are stripped."""

Fields = tuple[tuple[bytes, bytes], ...]

# RFC 9110 §5.6.2: what a token may hold, without the percent sign, which escapes the rest.
_TOKEN = "!#$&'*+-.^_`|~"


def headers_for(flags: FlagSet, names: Sequence[str], context: Context) -> Fields:
    """The header fields that announce these flags to the application.

    `x-shunt-flags: new-checkout=on,theme=dark` names each flag that has a variant, percent-encoded;
    `x-shunt-variant` is the variant of the first; `x-shunt-revision` is the flag set's, and an
    application that sends it along to OFREP is answered at the same revision.
    """
    return _fields(flags.revision, names, [assign(flags, name, context).variant for name in names])


def injector(asker: Asker, names: Sequence[str]) -> Callable[[Request, Identity], bytes]:
    """`headers_for` of requests, as lines of a head: each flag sees just what it reads of a request."""
    revision, asks = asker.flags.revision, [asker.about(name) for name in names]

    @lru_cache(maxsize=1024)
    def lines(*variants: str | None) -> bytes:
        return b"".join([b"%b: %b\r\n" % field for field in _fields(revision, names, variants)])

    return lambda request, identity: lines(*[decide(request, identity).variant for decide in asks])


def _fields(revision: str, names: Sequence[str], variants: Sequence[str | None]) -> Fields:
    told = [(name, variant) for name, variant in zip(names, variants, strict=True) if variant is not None]
    fields = [(FLAGS, b",".join(_escaped(name) + b"=" + _escaped(variant) for name, variant in told))] if told else []
    if variants and variants[0] is not None:
        fields.append((VARIANT, _escaped(variants[0])))
    return (*fields, (REVISION, revision.encode()))


def _escaped(word: str) -> bytes:
    return quote(word, safe=_TOKEN, errors="replace").encode()
