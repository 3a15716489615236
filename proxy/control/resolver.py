"""A resolver: one name asked for once, first of the hosts file, then of DNS with the system's search list."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.resolver

from proxy.errors import ShuntError
from proxy.processes.listeners import parse

HOSTS = Path("/etc/hosts")
LOOKUP_SECONDS = 3.0
"""How long one question may take, over all servers and search domains."""


class Unresolved(ShuntError):
    """The name has no address now; the message says why."""

    status, word = 503, "unresolved"


class Found(NamedTuple):
    """The addresses of a name, and for how long they hold."""

    addresses: tuple[str, ...]
    ttl_seconds: float


class Resolver:
    """Asks as resolv.conf says (search, ndots, servers), or another `server`, given as `host:port`."""

    def __init__(self, server: str = "", hosts: Path = HOSTS) -> None:
        self._hosts = hosts
        self._asked = _system_resolver()
        if server:
            host, port = parse(server)
            self._asked.nameservers = [host]
            self._asked.port = port

    async def find(self, name: str) -> Found:
        """IPv4 addresses, or IPv6 ones where there is no other: a target that has both is still one target."""
        listed = self._listed(name)
        if listed:
            return Found(listed, inf)
        found = await self._ask(name, "A")
        if found is None:
            found = await self._ask(name, "AAAA")
        if found is None:
            raise Unresolved(f"{name} has no address")
        return found

    def _listed(self, name: str) -> tuple[str, ...]:
        try:
            text = self._hosts.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        return addresses_in(text, name)

    async def _ask(self, name: str, kind: str) -> Found | None:
        try:
            answer = await self._asked.resolve(name, kind, search=True, lifetime=LOOKUP_SECONDS)
        except dns.resolver.NoAnswer:
            return None
        except dns.resolver.NXDOMAIN as unknown:
            raise Unresolved(f"{name} does not exist in DNS") from unknown
        except (dns.exception.DNSException, OSError) as fault:
            raise Unresolved(f"{name} was not resolved: {fault}") from fault
        addresses = tuple(sorted(record.to_text() for record in answer))
        return Found(addresses, answer.chaining_result.minimum_ttl)


def addresses_in(hosts: str, name: str) -> tuple[str, ...]:
    """What a hosts file says of a name, see hosts(5); IPv6 only where it says nothing else."""
    found = []
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if name.lower() in (each.lower() for each in names):
            found.append(address)
    return tuple(address for address in found if ":" not in address) or tuple(found)


def _system_resolver() -> dns.asyncresolver.Resolver:
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return dns.asyncresolver.Resolver(configure=False)
