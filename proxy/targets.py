"""Targets: who is up, how busy each is, and the claim that counts a request in. Outlives every table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from proxy.model import Dice
from proxy.rules import Eject, Headers, Limits


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


class Target:
    """One address of a version. What it carries survives every reload that still names it."""

    __slots__ = (
        "address",
        "draining",
        "ejected_until",
        "failures",
        "healthy",
        "in_flight",
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
        self.draining = False
        self.failures = 0
        self.ejected_until = 0.0
        self.times_ejected = 0

    def is_usable(self, now: float) -> bool:
        """Whether it may be claimed by choice: well, not resting, not draining."""
        return self.healthy and not self.draining and self.ejected_until <= now

    def release(self) -> None:
        """Count one request out."""
        self.in_flight -= 1


class Fleet:
    """The targets that answer for one version of a service, as one table sees them."""

    __slots__ = ("balance", "eject", "headers", "limits", "service", "targets", "turn", "version")

    def __init__(
        self,
        service: str,
        version: str,
        targets: tuple[Target, ...],
        *,
        balance: str = "least_busy",
        limits: Limits | None = None,
        eject: Eject | None = None,
        headers: Headers | None = None,
    ) -> None:
        self.service = service
        self.version = version
        self.targets = targets
        self.balance = balance
        self.limits = limits or Limits()
        self.eject = eject or Eject()
        self.headers = headers
        self.turn = 0

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
        raise NotImplementedError


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
        self._targets = kept
        return gone
