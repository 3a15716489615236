"""The nouns of one request: Request, Choice, Plan, Outcome."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

CRLF = b"\r\n"


class Dice(Protocol):
    """Chance, handed in so that pure code can be tested; `random.Random` is one."""

    def random(self) -> float:
        """A float in [0, 1)."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """An integer of k random bits."""
        ...


def needle(name: str) -> bytes:
    """The bytes that precede a field's value in a lowered head: made once per rule, searched per request."""
    return CRLF + name.lower().encode("latin-1") + b":"


class Request:
    """What the table may look at: one request's line and head, as they came.

    `head` are the bytes from the request-line to the empty line, `lowered` the same in lower case;
    fields are searched there only when a rule asks for them. `host` is lower-case and without port,
    "" when the request named none. `client` is the client's address after trusted-proxy evaluation.
    """

    __slots__ = ("client", "head", "host", "lowered", "method", "path", "query", "secure", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        host: str,
        head: bytes,
        lowered: bytes,
        client: str = "",
        *,
        secure: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.path, _, self.query = target.partition(b"?")
        self.host = host
        self.head = head
        self.lowered = lowered
        self.client = client
        self.secure = secure

    @classmethod
    def of(
        cls,
        method: str = "GET",
        target: str = "/",
        *,
        host: str = "localhost",
        headers: Iterable[tuple[str, str]] = (),
        client: str = "127.0.0.1",
        secure: bool = False,
    ) -> Request:
        """A request from parts, for `shunt explain` and tests; the same object that a connection makes."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return cls(method.encode(), target.encode("latin-1"), host.lower(), head, head.lower(), client, secure=secure)

    def field(self, sought: bytes) -> bytes | None:
        """The value of the field whose `needle` is given, several joined by `, ` (RFC 9110 §5.3); None if absent."""
        lowered = self.lowered
        start = lowered.find(sought)
        if start < 0:
            return None
        start += len(sought)
        end = lowered.find(CRLF, start)
        value = self.head[start:end].strip(b" \t")
        start = lowered.find(sought, end)
        if start < 0:
            return value
        values = [value]
        while start >= 0:
            start += len(sought)
            end = lowered.find(CRLF, start)
            values.append(self.head[start:end].strip(b" \t"))
            start = lowered.find(sought, end)
        return b", ".join(values)

    def cookie(self, name: bytes) -> bytes | None:
        """The value of the first cookie of that name (RFC 6265 §5.4); None if absent. Names are case-sensitive."""
        found = _cookie_pattern(name).search(self.head)
        return found[1].strip(b" \t") if found is not None else self._cookie_among_others(name)

    def _cookie_among_others(self, name: bytes) -> bytes | None:
        cookies = self.field(_COOKIE)
        if cookies is None or cookies.find(name) < 0:
            return None
        for pair in cookies.replace(b", ", b"; ").split(b";"):
            key, equals, value = pair.partition(b"=")
            if equals and key.strip(b" \t") == name:
                return value.strip(b" \t")
        return None


_COOKIE = needle("cookie")


@lru_cache(maxsize=1024)
def _cookie_pattern(name: bytes) -> re.Pattern[bytes]:
    """The first cookie of that name, found at once in a line that one client wrote: without commas."""
    return re.compile(rb"\n[Cc]ookie:[ \t]*(?:[^\r;,]*;[ \t]*)*?" + re.escape(name) + rb"[ \t]*=([^\r;,]*)[\r;]")


class Choice(NamedTuple):
    """What a chooser says: which version answers, why, and whether chance had a part in it."""

    version: str
    reason: str
    """`rolling`, `active`, `preview`, `canary`, `flag:<name>`"""
    randomised: bool = False
    """True only if a hash or a draw decided: only then may the judge count it."""
    weight: float = 0.0
    """The candidate's share at the assignment, 0 to 1; meaningful when `randomised`."""
    bucket: int | None = None
    """The identity's bucket, 0 to 2**32 - 1; None when there was no identity."""
