"""The asker: who is behind a request, as flags see them.

`targetingKey` is the request's identity. A targeting rule may look at these attributes of a request:

    method, path, host, client          as they came; client is the address after trusted-proxy evaluation
    headers.<name>, cookies.<name>      header names in lower case
    <anything else>                     the entry of that name in the W3C `baggage` header, percent-decoded

All of them are texts. Only what a flag's targeting reads is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import unquote

from proxy.flags.flag import Context, Decision
from proxy.flags.flagset import FlagSet, assign
from proxy.model import CRLF, Request, needle

Identity = bytes | None
Path = tuple[str, ...]
Ask = Callable[[Request, Identity], Context]
Decide = Callable[[Request, Identity], Decision]
"""What a flag is for a request of this identity."""
Clock = Callable[[], float]
"""Unix seconds, for `$flagd.timestamp`."""

_LINE: dict[str, Callable[[Request], str]] = {
    "method": lambda request: _text(request.method),
    "path": lambda request: _text(request.path),
    "host": lambda request: request.host,
    "client": lambda request: request.client,
}
_BAGGAGE = needle("baggage")
_COOKIE = needle("cookie")


class Asker:
    """Asks the flags of one revision on behalf of requests: conditions, splits and injected headers have no other."""

    __slots__ = ("_clock", "flags")

    def __init__(self, flags: FlagSet, clock: Clock) -> None:
        self.flags = flags
        self._clock = clock

    def about(self, key: str) -> Decide:
        """`assign` for one flag, for whoever asks it at every request."""
        flags, flag = self.flags, self.flags.flags.get(key)
        if flag is None or flag.reads == frozenset():
            return lambda request, identity: assign(flags, key, Context(None if identity is None else _text(identity)))
        context = asking(flag.reads, self._clock)
        return lambda request, identity: assign(flags, key, context(request, identity))

    def decide(self, key: str, request: Request, identity: Identity) -> Decision:
        """`assign` for a request and its identity."""
        return self.about(key)(request, identity)


def asking(reads: frozenset[Path] | None, clock: Clock) -> Ask:
    """How the context of a request is made for a flag that reads these paths; None: all there are."""
    attributes = _everything if reads is None else _only(reads)
    tells_time = reads is None or any(path[0] == "$flagd" for path in reads)
    if attributes is None and not tells_time:
        return lambda request, identity: Context(_key(identity))

    def ask(request: Request, identity: Identity) -> Context:
        return Context(_key(identity), attributes(request) if attributes else {}, int(clock()) if tells_time else 0)

    return ask


def _key(identity: Identity) -> str | None:
    return None if identity is None else _text(identity)


def _text(field: bytes) -> str:
    """A field as an application would read it: UTF-8, or Latin-1 where it is not."""
    try:
        return field.decode()
    except UnicodeDecodeError:
        return field.decode("latin-1")


# --- attributes ---------------------------------------------------------------------------


def _only(reads: Iterable[Path]) -> Callable[[Request], dict[str, object]] | None:
    """Reads just these paths; None if none of them is an attribute."""
    paths = [path for path in reads if path[0] not in ("targetingKey", "$flagd")]
    if not paths:
        return None
    if any(path in (("headers",), ("cookies",)) for path in paths):
        return _everything
    lines = {path[0]: _LINE[path[0]] for path in paths if path[0] in _LINE}
    headers = {path[1]: needle(path[1]) for path in paths if path[0] == "headers" and path[1].isascii()}
    cookies = {path[1]: path[1].encode() for path in paths if path[0] == "cookies"}
    has_baggage = any(path[0] not in _LINE and path[0] not in ("headers", "cookies") for path in paths)

    def read(request: Request) -> dict[str, object]:
        attributes: dict[str, object] = dict(_baggage(request)) if has_baggage else {}
        for name, line in lines.items():
            attributes[name] = line(request)
        if headers:
            attributes["headers"] = _present({name: request.field(sought) for name, sought in headers.items()})
        if cookies:
            attributes["cookies"] = _present({name: request.cookie(key) for name, key in cookies.items()})
        return attributes

    return read


def _everything(request: Request) -> dict[str, object]:
    attributes: dict[str, object] = dict(_baggage(request))
    attributes.update((name, line(request)) for name, line in _LINE.items())
    names = {line.partition(b":")[0] for line in request.lowered.split(CRLF)[1:] if line}
    attributes["headers"] = _present({_text(name): request.field(CRLF + name + b":") for name in names})
    pairs = (pair.partition(b"=") for pair in (request.field(_COOKIE) or b"").split(b";"))
    keys = {key.strip() for key, equals, _ in pairs if equals}
    attributes["cookies"] = _present({_text(key): request.cookie(key) for key in keys})
    return attributes


def _present(fields: dict[str, bytes | None]) -> dict[str, str]:
    return {name: _text(field) for name, field in fields.items() if field is not None}


def _baggage(request: Request) -> Iterable[tuple[str, str]]:
    """The entries of `baggage: plan=pro, city=K%C3%B6ln;property` (W3C Baggage §3.2), without properties."""
    for member in _text(request.field(_BAGGAGE) or b"").split(","):
        name, equals, entry = member.partition(";")[0].partition("=")
        if equals:
            yield name.strip(), unquote(entry.strip())
