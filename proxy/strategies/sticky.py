"""Sticky: the same identity falls into the same bucket, on every worker, every replica and after every restart."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from hashlib import blake2b
from operator import methodcaller
from typing import NamedTuple

from proxy.conditions import Context, Identity
from proxy.errors import Invalid
from proxy.flags.asker import Asker
from proxy.model import Choice, Dice, Request, needle

COOKIE = "shunt_id"
"""The cookie in which a minted identity lives."""

Choose = Callable[[Request, Identity, Dice], Choice | None]
"""The verb of a chooser: which version answers this request, None if that is not for this strategy to say."""


class Ground(NamedTuple):
    """What a strategy stands on: the salt of its service, and who asks flags."""

    salt: str
    flags: Asker | None = None

    def of_release(self, release: str) -> Ground:
        """For the split of a rollout's release, so that it is not always the same people who go first."""
        return self._replace(salt=f"{self.salt}\0{release}") if release else self

    def context(self, rule: str) -> Context:
        """For the conditions of a rule: its percentages pick other identities than those of its neighbours."""
        return Context(partial(hasher, f"{self.salt}/{rule}"), self.flags)


# --- who is asking ------------------------------------------------------------------------


def identifier(sources: tuple[str, ...]) -> Callable[[Request], Identity]:
    """A function that reads the first present of `header:<name>`, `cookie:<name>`, `client`, `mint`; empty is absent.

    `mint` reads what was minted before. Raises Invalid for any other source.
    """
    readers = tuple(_reader(source) for source in sources)
    if len(readers) == 1:
        return readers[0]

    def identify(request: Request) -> Identity:
        for read in readers:
            found = read(request)
            if found:
                return found
        return None

    return identify


def _reader(source: str) -> Callable[[Request], Identity]:
    kind, _, name = source.partition(":")
    if kind == "header" and name:
        read = methodcaller("field", needle(name))
    elif kind == "cookie" and name:
        read = methodcaller("cookie", name.encode())
    elif source == "mint":
        read = methodcaller("cookie", COOKIE.encode())
    elif source == "client":
        return lambda request: request.client.encode() or None
    else:
        raise Invalid(f"{source!r} is not an identity such as header:x-user-id, cookie:session, client or mint")
    return lambda request: read(request) or None


def mint(dice: Dice) -> bytes:
    """A fresh identity: 128 random bits in hexadecimal digits."""
    return b"%032x" % dice.getrandbits(128)


# --- where an identity falls --------------------------------------------------------------


def bucket(salt: str, identity: bytes) -> int:
    """The identity's place in 0 to 2**32 - 1 under this salt: uniform, and the same on every process."""
    return hasher(salt)(identity)


@lru_cache(maxsize=1024)
def hasher(salt: str) -> Callable[[bytes], int]:
    """`bucket` with the salt worked in beforehand, for the hot path."""
    # A key has at most 64 bytes; a digest of the salt always fits.
    copy = blake2b(key=blake2b(salt.encode()).digest(), digest_size=4).copy
    from_bytes = int.from_bytes

    def fall(identity: bytes) -> int:
        keyed = copy()
        keyed.update(identity)
        return from_bytes(keyed.digest(), "big")

    return fall
