"""The rules, as plain frozen values: what `rules.yaml` says, checked and with every short form written out.

They travel from the brain to the workers as they are; a worker needs no YAML and no validation to
compile them. `proxy.config` makes them from text, `proxy.table` compiles them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from proxy.conditions import STRICT, When
from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary
from proxy.strategies.flags import Flag
from proxy.strategies.progressive import Progressive
from proxy.strategies.rolling import Rolling
from proxy.strategies.shadow import Shadow
from proxy.units import Bytes, Percent, Seconds

Cause = Literal["connect", "reset", "timeout", "500", "502", "503", "504"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for every wait on a target; 0 means none.

    `response`: from the request sent until the response's head; `idle`: between two reads of a body;
    `request`: the whole exchange; `tunnel_idle`: an upgraded connection without traffic.
    """

    __pydantic_config__ = STRICT

    connect: Seconds = 1.0
    response: Seconds = 30.0
    idle: Seconds = 60.0
    tunnel_idle: Seconds = 3600.0
    request: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """`attempts` counts all tries; `budget` is the share of recent requests that may be retries."""

    __pydantic_config__ = STRICT

    attempts: int = 3
    on: tuple[Cause, ...] = ("connect", "reset", "502", "503", "504")
    per_try: Seconds = 0.0
    backoff: Seconds = 0.025
    budget: Percent = 20.0
    budget_floor: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Active checks of every target: `GET path` every so often; 2xx and 3xx are well."""

    __pydantic_config__ = STRICT

    path: str = "/"
    every: Seconds = 2.0
    timeout: Seconds = 1.0
    up_after: int = 1
    down_after: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Eject:
    """Passive outlier ejection: a target with so many failures in a row rests; per worker, never the last one."""

    __pydantic_config__ = STRICT

    after: int = 5
    for_: Seconds = 10.0
    max: Percent = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Idle connections kept per target and worker; `idle` lies below the 5 s of Node and uvicorn."""

    __pydantic_config__ = STRICT

    idle: Seconds = 4.0
    max_idle: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per target and worker; 0 means none."""

    __pydantic_config__ = STRICT

    max_connections: int = 1024
    max_pending: int = 1024
    max_body: Bytes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """Header edits, applied in the order remove, set, add."""

    __pydantic_config__ = STRICT

    set: dict[str, str] = field(default_factory=dict)
    add: dict[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Edits of the request on its way in and of the response on its way out."""

    __pydantic_config__ = STRICT

    request: Edits = field(default_factory=Edits)
    response: Edits = field(default_factory=Edits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """`host` replaces Host; `prefix` replaces the route's matched path prefix."""

    __pydantic_config__ = STRICT

    host: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Answer with a redirect instead of asking a target; absent parts stay as the client sent them."""

    __pydantic_config__ = STRICT

    scheme: Literal["http", "https"] | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    status: Literal[301, 302, 303, 307, 308] = 302


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The keys that a service and a route share; None at a route means: as the service says."""

    rolling: Rolling | None = None
    blue_green: BlueGreen | None = None
    canary: Canary | None = None
    flags: tuple[Flag, ...] | None = None
    shadow: tuple[Shadow, ...] | None = None
    progressive: Progressive | None = None
    timeouts: Timeouts | None = None
    retries: Retries | None = None
    rescue: bool | None = None
    limits: Limits | None = None
    balance: Literal["least_busy", "round_robin", "hash"] | None = None
    headers: Headers | None = None
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None
    expose_version: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One deployed build: `http://host:port` or `unix:///path` for each of its targets."""

    __pydantic_config__ = STRICT

    targets: tuple[str, ...]
    headers: Headers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Policy):
    """A narrower part of a service: `match` says which requests."""

    __pydantic_config__ = STRICT

    name: str
    match: When = field(default_factory=When)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Policy):
    """What clients ask for: host names, versions, one strategy."""

    __pydantic_config__ = STRICT

    name: str
    hosts: tuple[str, ...]
    versions: dict[str, Version]
    identity: tuple[str, ...] = ()
    """`header:<name>`, `cookie:<name>`, `client`, and last perhaps `mint`; the first present wins."""
    salt: str | None = None
    flag_headers: tuple[str, ...] = ()
    """Flags whose variants the application is told in `x-shunt-flags`, the first one's also in `x-shunt-variant`."""
    drained: tuple[str, ...] = ()
    """Versions, or `version@target`, that get no new requests; other versions of a split stand in."""
    routes: tuple[Route, ...] = ()
    health: Health | None = None
    eject: Eject = field(default_factory=Eject)
    pool: Pool = field(default_factory=Pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All services by name."""

    services: dict[str, Service] = field(default_factory=dict)
