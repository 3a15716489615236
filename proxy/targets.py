"""Targets: who is up, how busy each is, and the claim that counts a request in. Outlives every table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

from proxy.edits import edits_of
from proxy.model import Dice
from proxy.rules import Eject, Headers, Limits, Pool


class Address(NamedTuple):
    """Where a target listens: `unix` is a path or "", `host` a name or an address without brackets."""

    scheme: str
    host: str
    port: int
    unix: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """An address from `http://host:port`, `http://[v6]:port` or `unix:///path`; ValueError otherwise."""
        parts = urlsplit(text)
        if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
            return cls("http", "localhost", 80, parts.path)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
            raise ValueError(f"{text!r} is not a target such as http://10.0.0.7:8080 or unix:///run/app.sock")
        return cls("http", parts.hostname, parts.port or 80)

    def __str__(self) -> str:
        if self.unix:
            return f"unix://{self.unix}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


_SLOWEST_START = 0.1


class Target:
    """One address of a version. What it carries survives every reload that still names it."""

    __slots__ = (
        "address",
        "ejected_until",
        "failures",
        "healthy",
        "in_flight",
        "is_retired",
        "returned_at",
        "service",
        "times_ejected",
        "version",
    )

    def __init__(self, service: str, version: str, address: Address) -> None:
        self.service = service
        self.version = version
        self.address = address
        self.in_flight = 0
        self.healthy = True
        """What the active checks say; well until they say otherwise."""
        self.failures = 0
        """Failures in a row, as the passive check counts them."""
        self.ejected_until = 0.0
        self.times_ejected = 0
        self.returned_at = float("-inf")
        """When it last came back; it starts slowly from then on."""
        self.is_retired = False
        """No table names it any more: what is in flight finishes, nothing new comes."""

    def is_usable(self, now: float) -> bool:
        """Whether it may be claimed by choice: well and not resting."""
        return self.healthy and self.ejected_until <= now

    def pull(self, now: float, slow_start_seconds: float) -> float:
        """How much it draws the next request, the more the idler it is; one that has just come back draws less."""
        since = now - self.returned_at
        start = 1.0 if since >= slow_start_seconds else max(since / slow_start_seconds, _SLOWEST_START)
        return start / (self.in_flight + 1)

    def release(self) -> None:
        """Count one request out."""
        self.in_flight -= 1

    def set_healthy(self, now: float, *, healthy: bool) -> None:
        """Note what an active check found."""
        if healthy and not self.healthy:
            self.returned_at = now
            self.failures = 0
        self.healthy = healthy


class Fleet:
    """The targets that answer for one version of a service, as one table sees them."""

    __slots__ = (
        "_only",
        "_turn",
        "balance",
        "eject",
        "limits",
        "pool",
        "request_edits",
        "response_edits",
        "service",
        "slow_start",
        "targets",
        "version",
    )

    def __init__(
        self,
        service: str,
        version: str,
        targets: tuple[Target, ...],
        *,
        balance: str = "least_busy",
        limits: Limits | None = None,
        eject: Eject | None = None,
        pool: Pool | None = None,
        headers: Headers | None = None,
        slow_start: float = 10.0,
    ) -> None:
        self.service = service
        self.version = version
        self.targets = targets
        self.balance = balance
        self.limits = limits or Limits()
        self.eject = eject or Eject()
        self.pool = pool or Pool()
        self.request_edits, self.response_edits = edits_of(headers)
        self.slow_start = slow_start
        self._turn = 0
        self._only = targets[0] if len(targets) == 1 else None

    @property
    def in_flight(self) -> int:
        """Requests now on their way at this version's targets."""
        return sum(target.in_flight for target in self.targets)

    def has_usable(self, now: float) -> bool:
        """Whether some target may be claimed by choice."""
        return any(target.is_usable(now) for target in self.targets)

    def claim(self, now: float, dice: Dice, *, key: int | None = None, avoid: Collection[Target] = ()) -> Target | None:
        """Count a request in on the best target, or None when none is usable.

        `key` is the identity's bucket, for `balance: hash`; targets in `avoid` are taken only if there is no other.
        """
        only = self._only
        if only is not None:
            if not only.healthy or only.ejected_until > now:
                return None
            only.in_flight += 1
            return only
        usable = [target for target in self.targets if target.healthy and target.ejected_until <= now]
        if avoid and all(target in avoid for target in usable):
            # All that seemed well have failed this request: one that rests may be back, and is worth a try.
            usable = (self.untried(avoid) if usable else usable) or usable
        return self._claim_one_of(usable, now, dice, key, avoid)

    def untried(self, tried: Collection[Target]) -> list[Target]:
        """Targets, resting ones too, that a request has not been to; not those that active checks found down."""
        return [target for target in self.targets if target.healthy and target not in tried]

    def claim_any(self, now: float, dice: Dice, *, avoid: Collection[Target] = ()) -> Target | None:
        """The panic rule: when every target is out, try them all rather than none."""
        return self._claim_one_of(list(self.targets), now, dice, None, avoid)

    def _claim_one_of(
        self, usable: list[Target], now: float, dice: Dice, key: int | None, avoid: Collection[Target]
    ) -> Target | None:
        if avoid:
            usable = [target for target in usable if target not in avoid] or usable
        if not usable:
            return None
        chosen = usable[0] if len(usable) == 1 else self._choose(usable, now, dice, key)
        chosen.in_flight += 1
        return chosen

    def _choose(self, usable: list[Target], now: float, dice: Dice, key: int | None) -> Target:
        if self.balance == "round_robin":
            self._turn += 1
            return usable[self._turn % len(usable)]
        if self.balance == "hash" and key is not None:
            return max(usable, key=lambda target: hash_rank(key, target.address))
        # Two choices at random and the less busy of them: nearly as even as the least of all, without a herd.
        first = int(dice.random() * len(usable))
        second = int(dice.random() * (len(usable) - 1))
        one, other = usable[first], usable[second + (second >= first)]
        if now - max(one.returned_at, other.returned_at) >= self.slow_start:
            return other if other.in_flight < one.in_flight else one
        # One of them has just come back. By chance, for else an idle neighbour would leave it nothing to warm up with.
        pull, against = one.pull(now, self.slow_start), other.pull(now, self.slow_start)
        return one if dice.random() * (pull + against) < pull else other

    def succeeded(self, target: Target) -> None:
        """A target answered: its row of failures ends."""
        target.failures = 0

    def failed(self, target: Target, now: float) -> bool:
        """Count a connect failure, reset, timeout, 502, 503 or 504; True when the target is ejected for it.

        Never the last usable one, never more than `eject.max` of all; each ejection lasts longer than the one before.
        """
        target.failures += 1
        if not self.eject.after or target.failures < self.eject.after or target.ejected_until > now:
            return False
        out = sum(other.ejected_until > now for other in self.targets)
        others = sum(other is not target and other.is_usable(now) for other in self.targets)
        if not others or (out + 1) * 100 > self.eject.max * len(self.targets):
            return False
        if now - target.returned_at > 10 * self.eject.for_:
            target.times_ejected = 0
        target.times_ejected = min(target.times_ejected + 1, _MOST_EJECTIONS)
        target.failures = 0
        target.ejected_until = now + self.eject.for_ * target.times_ejected
        target.returned_at = target.ejected_until
        return True


_MOST_EJECTIONS = 30


def hash_rank(key: int, address: Address) -> int:
    """Rendezvous rank of an address for an identity: equal on every worker, moves only the share of what changed."""
    return crc32(b"%d %b" % (key, str(address).encode()))


class Registry:
    """Every target there is, by service, version and address, so that a new table finds the old state."""

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: dict[tuple[str, str, Address], Target] = {}

    def target(self, service: str, version: str, address: Address) -> Target:
        """The target of that name, made on first use."""
        key = (service, version, address)
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = Target(service, version, address)
        return found

    def retain(self, wanted: Iterable[Target]) -> list[Target]:
        """Forget every target that is not wanted and return those: they drain, then their pools close."""
        kept = {(target.service, target.version, target.address): target for target in wanted}
        gone = [target for key, target in self._targets.items() if key not in kept]
        for target in gone:
            target.is_retired = True
        self._targets = kept
        return gone
