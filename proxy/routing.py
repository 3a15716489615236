"""Routing: the most specific route wins, and ten thousand of them cost no more than one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from proxy.conditions import Context, Identity, Test, When, compiled
from proxy.errors import NoRoute, NoService
from proxy.flags.injection import injector
from proxy.model import Dice, Request
from proxy.rules import Route, Service
from proxy.strategies.sticky import Ground, mint
from proxy.targets import Address
from proxy.track import Muster, Track
from proxy.values import path_prefix


class Rank(NamedTuple):
    """The order in which the routes that share a path are tried, the first that matches wins (Gateway API)."""

    any_path: bool
    any_method: bool
    fewer_headers: int
    fewer_queries: int
    order: int


class Entry(NamedTuple):
    """One alternative of a route: what is left to test once its path was found."""

    rank: Rank
    test: Test | None
    track: Track


def alternatives(match: When) -> tuple[When, ...]:
    """The match, or one for each of its `any` when these name paths: each then ranks by its own path."""
    if match.path is None and any(each.path is not None for each in match.any):
        return tuple(replace(match, any=(each,), path=each.path) for each in match.any)
    return (match,)


def rank(match: When, order: int) -> Rank:
    """Method, number of header conditions, number of query conditions, order in the file."""
    both = (match, *match.any) if len(match.any) == 1 else (match,)
    return Rank(
        match.path is None,
        not any(each.method for each in both),
        -sum(len(each.header) for each in both),
        -sum(len(each.query) for each in both),
        order,
    )


class RouteIndex:
    """All routes of a service by path: exact ones, then prefixes from the longest, then the rest one by one."""

    __slots__ = ("_depth", "_exact", "_prefixes", "_rest")

    def __init__(self) -> None:
        self._exact: dict[bytes, list[Entry]] = {}
        self._prefixes: dict[bytes, list[Entry]] = {}
        self._depth = 0
        """The most segments that a prefix has; a longer path is cut to it before the search."""
        self._rest: list[Entry] = []

    def add(self, match: When, entry_rank: Rank, context: Context, track: Track) -> None:
        """Take in one alternative of a route; Invalid if its match cannot be read."""
        path = match.path
        if path is not None and path.exact is not None:
            entries = self._exact.setdefault(path.exact.encode(), [])
        elif path is not None and path.prefix is not None:
            prefix = path_prefix(path.prefix)
            entries = self._prefixes.setdefault(prefix, [])
            self._depth = max(self._depth, prefix.count(b"/"))
        else:
            self._rest.append(Entry(entry_rank, compiled(match, context), track))
            return
        without_path = replace(
            match, path=None, any=tuple(replace(each, path=None) if each.path is path else each for each in match.any)
        )
        entries.append(Entry(entry_rank, compiled(without_path, context), track))

    def settle(self) -> None:
        """Bring the routes of each path into their order, once all are in."""
        for entries in (*self._exact.values(), *self._prefixes.values(), self._rest):
            if len(entries) > 1:
                entries.sort(key=lambda entry: entry.rank)

    def find(self, request: Request, identity: Identity, dice: Dice) -> Track | None:
        """The track of the most specific route that matches."""
        entries = self._exact.get(request.path) if self._exact else None
        if entries is not None:
            for _, test, track in entries:
                if test is None or test(request, identity, dice):
                    return track
        if self._prefixes:
            found = self._below_prefix(request, identity, dice)
            if found is not None:
                return found
        for _, test, track in self._rest:
            if test is None or test(request, identity, dice):
                return track
        return None

    def _below_prefix(self, request: Request, identity: Identity, dice: Dice) -> Track | None:
        stem, depth, prefixes = request.path, self._depth, self._prefixes
        if stem.count(b"/") > depth:
            stem = b"/".join(stem.split(b"/", depth + 1)[:-1])
        while True:
            entries = prefixes.get(stem)
            if entries is not None:
                for _, test, track in entries:
                    if test is None or test(request, identity, dice):
                        return track
            if not stem:
                return None
            cut = stem.rfind(b"/")
            stem = stem[:cut] if cut > 0 else b""


class Junction:
    """One service compiled: who is asking, and onto which track."""

    __slots__ = (
        "fallback",
        "ground",
        "identify",
        "index",
        "inject",
        "is_asking",
        "is_minting",
        "muster",
        "reads_flags",
        "resolved",
        "service",
    )

    def __init__(
        self,
        service: Service,
        ground: Ground,
        muster: Muster,
        resolved: dict[str, tuple[Address, ...]],
        identify: Callable[[Request], Identity],
    ) -> None:
        self.service = service
        self.ground = ground
        self.muster = muster
        self.resolved = resolved
        self.index = RouteIndex()
        self.fallback: Track | None = None
        """The service's own strategy, for requests that match no route."""
        self.identify = identify
        self.is_minting = "mint" in service.identity
        self.is_asking = self.is_minting or bool(service.flag_headers)
        """Whether some plan depends on the identity, so that it must be read for each request."""
        flags = ground.flags
        self.inject = injector(flags, service.flag_headers) if flags is not None and service.flag_headers else None
        """The header lines that tell the application of its flags."""
        self.reads_flags = bool(service.flag_headers)
        """Whether some plan depends on a feature flag, so that other flags make another junction."""

    def track(self, request: Request, identity: Identity, dice: Dice) -> Track:
        """The track of the most specific route that matches, else the service's own; NoRoute if there is none."""
        track = self.index.find(request, identity, dice) or self.fallback
        if track is None:
            raise NoRoute("no route matches this request")
        return track

    def who(self, request: Request, dice: Dice) -> tuple[Identity, bytes | None]:
        """The identity of who is asking, and the same again if it was minted just now."""
        identity = self.identify(request)
        if identity is None and self.is_minting:
            identity = minted = mint(dice)
            return identity, minted
        return identity, None

    def by_precedence(self) -> Iterator[tuple[Route, When]]:
        """Every alternative of every route in the order of precedence, for explanations."""
        listed = [
            (_path_class(match), rank(match, order), route, match)
            for order, route in enumerate(self.service.routes)
            for match in alternatives(route.match)
        ]
        for _, _, route, match in sorted(listed, key=lambda each: each[:2]):
            yield route, match


def _path_class(match: When) -> tuple[int, int]:
    """Exact before prefixes, the longest first, before regular expressions, before no path at all."""
    if match.path is None:
        return 3, 0
    if match.path.exact is not None:
        return 0, 0
    if match.path.prefix is not None:
        return 1, -len(path_prefix(match.path.prefix))
    return 2, 0


class Hosts:
    """Which service answers for a host: the exact name, else the longest `*.` suffix, else `*`."""

    __slots__ = ("_depth", "_everybody_else", "_exact", "_suffixes")

    def __init__(self, hosts: dict[str, Junction]) -> None:
        self._exact = {host: junction for host, junction in hosts.items() if not host.startswith("*")}
        self._suffixes = {host[1:]: junction for host, junction in hosts.items() if host.startswith("*")}
        """By `.example.com`; everything else by the empty suffix."""
        self._depth = max((suffix.count(".") for suffix in self._suffixes), default=0)
        self._everybody_else = self._suffixes.get("")

    def find(self, host: str) -> Junction:
        """The service of the lower-case host without port; NoService if nobody answers for it."""
        return self._exact.get(host) or (self._by_suffix(host) if self._depth else None) or self._for_anybody(host)

    def _by_suffix(self, host: str) -> Junction | None:
        labels = host.rsplit(".", self._depth)[1:]
        for start in range(len(labels)):
            junction = self._suffixes.get("." + ".".join(labels[start:]))
            if junction is not None:
                return junction
        return None

    def _for_anybody(self, host: str) -> Junction:
        junction = self._everybody_else
        if junction is None:
            raise NoService(f"no service answers for {host}" if host else "no service answers without a host")
        return junction
