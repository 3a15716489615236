"""The requests: no two alike, nine headers each, and the same for every peer and every generator."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

HOST = "bench.test"
SEPARATOR = b"\x1e"
_VARIETY = 4096
_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
)
_LANGUAGES = ("en-GB,en;q=0.9", "de-DE,de;q=0.9,en;q=0.5", "fr-FR,fr;q=0.8", "sv-SE,sv;q=0.9,en;q=0.7")
_SECTIONS = ("cart", "search", "items", "account", "orders", "static")


def requests(
    *,
    method: str = "GET",
    paths: Sequence[str] = (),
    hosts: Sequence[str] = (HOST,),
    body_bytes: int = 0,
    closes: bool = False,
    variety: int = _VARIETY,
) -> list[bytes]:
    """As many different requests as `variety` says, always the same ones.

    Paths (up to the query) and hosts are drawn from those given. `closes` asks for the connection to be closed
    behind the answer.
    """
    dice = random.Random(2026)
    made = []
    for _ in range(variety):
        path = dice.choice(paths) if paths else f"/{dice.choice(_SECTIONS)}/{dice.randrange(10**6)}"
        lines = [f"{method} {path}?page={dice.randrange(90)} HTTP/1.1", *_fields(dice, dice.choice(hosts))]
        if closes:
            lines.append("Connection: close")
        if body_bytes:
            lines += ["Content-Type: application/octet-stream", f"Content-Length: {body_bytes}"]
        body = dice.randbytes((body_bytes + 1) // 2).hex().encode()[:body_bytes]
        made.append("\r\n".join((*lines, "", "")).encode() + body)
    return made


def _fields(dice: random.Random, host: str) -> list[str]:
    """The nine headers that a browser behind a session and a tracing front end sends."""
    return [
        f"Host: {host}",
        f"User-Agent: {dice.choice(_BROWSERS)}",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Encoding: gzip, deflate, br",
        f"Accept-Language: {dice.choice(_LANGUAGES)}",
        f"Cookie: theme=dark; session={dice.randbytes(12).hex()}",
        f"Referer: http://{host}/{dice.choice(_SECTIONS)}/",
        f"X-User-Id: u-{dice.randrange(10**7)}",
        f"Traceparent: 00-{dice.randbytes(16).hex()}-{dice.randbytes(8).hex()}-01",
    ]


def write(path: Path, entries: list[bytes]) -> Path:
    """Lay the requests down for `replay.lua`, with a separator that none of them contains."""
    path.write_bytes(SEPARATOR.join(entries))
    return path
