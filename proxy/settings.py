"""The static settings, as plain frozen values: what `shunt.yaml`, `SHUNT_…` and the command line say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from proxy.conditions import STRICT
from proxy.units import Bytes, Percent, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """What clients may ask of one worker; 0 means none. Times in seconds, sizes in bytes."""

    __pydantic_config__ = STRICT

    connections: int = 16384
    in_flight: int = 8192
    """Requests on their way; shadows are shed at half of it, requests at all of it."""
    requests_per_connection: int = 0
    head_bytes: Bytes = 32 << 10
    head_fields: int = 128
    target_bytes: Bytes = 8 << 10
    trailer_bytes: Bytes = 8 << 10
    body_bytes: Bytes = 0
    response_head_bytes: Bytes = 64 << 10
    head_timeout: Seconds = 10.0
    """From a request's first byte (or the connection's start) until its head is complete."""
    body_timeout: Seconds = 60.0
    """Between two reads of a request's body."""
    idle_timeout: Seconds = 75.0
    """Between two requests of a kept connection."""
    write_timeout: Seconds = 60.0
    """How long a client may refuse to take bytes that wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How this process leaves: unready at once, `grace` seconds of accepting on, then at most `bound` seconds."""

    __pydantic_config__ = STRICT

    grace: Seconds = 0.0
    bound: Seconds = 30.0
    tunnel_grace: Seconds = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Resolution of targets given by name; `server` is `host:port`, "" for the system's own."""

    __pydantic_config__ = STRICT

    server: str = ""
    min: Seconds = 1.0
    max: Seconds = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """`access` goes to stdout, everything else to stderr."""

    __pydantic_config__ = STRICT

    level: Literal["debug", "info", "warning", "error"] = "info"
    access: Literal["off", "json", "common"] = "off"
    sample: Percent = 100.0
    errors_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """What is followed at the pod's own API server; the mounts stay the fallback."""

    __pydantic_config__ = STRICT

    rules: str = ""
    """The ConfigMap of the rules, in the pod's namespace; "" for none."""
    flags: str = ""
    """The ConfigMap of the feature flags; "" for none."""
    account: str = "/var/run/secrets/kubernetes.io/serviceaccount"
    """Where the pod finds its token, the server's certificate authority and its namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that needs a restart. Addresses are `host:port`, `[v6]:port` or `unix:/path`."""

    __pydantic_config__ = STRICT

    rules: str = "rules.yaml"
    """A file, or a directory of `*.yaml` files."""
    listen: tuple[str, ...] = ("127.0.0.1:8080",)
    workers: int | Literal["auto"] = "auto"
    admin: str = "127.0.0.1:9901"
    admin_token_file: str = ""
    telemetry: str = "127.0.0.1:9902"
    state: str = ""
    """The file that keeps overrides and ledger; "" keeps them in memory."""
    flags: str = ""
    """The directory of feature flags, or one ConfigMap manifest or flagd document; "" for none."""
    flags_bucketing: Literal["v2", "v3"] = "v3"
    """How percentages pick people: `v3` as flagd's cores from 2.x on, `v2` as those before and the flagd daemon."""
    ofrep: str = "127.0.0.1:9903"
    """Where applications ask for flags over OFREP; "" for nowhere."""
    ofrep_key_file: str = ""
    """The file of the key that they must show; "" for none."""
    ofrep_per_second: float = 0.0
    """How many OFREP requests a second are answered, all others 429; 0 for all."""
    name: str = ""
    """This instance's pseudonym in `Via`; "" makes one."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-* are believed."""
    max_hops: int = 3
    """How often a request may come through this instance before it is a loop (508)."""
    limits: ClientLimits = field(default_factory=ClientLimits)
    drain: Drain = field(default_factory=Drain)
    dns: Dns = field(default_factory=Dns)
    log: Log = field(default_factory=Log)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
