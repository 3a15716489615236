"""What callers may say: one model per operation, with every bound; nothing unknown passes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200, examples=["shop"])]
Scope = Annotated[
    str, Field(min_length=1, max_length=400, examples=["shop", "shop/api"], description="A service or service/route.")
]
Wait = Annotated[float, Field(ge=0, le=3600, description="Wait so many seconds for requests in flight.")]
Key = Annotated[str, Field(min_length=1, max_length=1000, examples=["new-checkout"])]
Printable = r"^[\x20-\x7e]*$"


class Input(BaseModel):
    """The root of all inputs."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")


class Nothing(Input):
    """The operation takes nothing."""


class One(Input):
    """One service."""

    service: Name


class Some(Input):
    """One service, or all."""

    service: Name | None = None


class History(Some):
    """How much of the ledger."""

    limit: int = Field(50, ge=1, le=1000)


class Question(Input):
    """A request to explain, as a client would send it."""

    host: str = Field("localhost", max_length=255, pattern=r"^[A-Za-z0-9._:\[\]-]*$", examples=["shop.example.com"])
    method: str = Field("GET", max_length=40, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    path: str = Field(
        "/", max_length=8000, pattern=r"^/[\x21-\x22\x24-\x7e]*$", description="With the query, as on the wire."
    )
    header: list[Annotated[str, Field(max_length=4000, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+:[\x20-\x7e]*$")]] = Field(
        default_factory=list, max_length=20, examples=[["x-beta: true"]]
    )
    identity: str = Field("", max_length=1000, description="Stands for what the request carries.")
    client: str = Field("127.0.0.1", pattern=r"^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$|^::1$")


class Text(Input):
    """Rules to check."""

    text: str = Field(max_length=4 << 20)
    name: str = Field("rules.yaml", max_length=400, pattern=Printable, description="What faults call the file.")


class Change(Input):
    """What every change may carry."""

    expecting: int | None = Field(None, ge=0, description="Refuse with 409 unless this is the present revision.")
    why: str = Field("", max_length=500, description="For the ledger.")


class Switch(Change):
    """Make a colour the active one."""

    scope: Scope
    version: Name
    force: bool = Field(False, description="Also to a colour without a healthy target.")
    wait_seconds: Wait = 0.0


class Weight(Change):
    """The candidate's percentage, or the weights of several versions."""

    scope: Scope
    weight: float | None = Field(None, ge=0, le=100)
    weights: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = Field(default_factory=dict, max_length=100)


class Hold(Input):
    """Let new requests wait."""

    service: Name
    max_seconds: float = Field(10.0, gt=0, le=3600, description="At most so long each; then 503.")
    for_seconds: float = Field(30.0, gt=0, le=86400, description="The hold ends by itself after so long.")
    wait_seconds: Wait | None = Field(None, description="Wait so long for requests in flight; default: max_seconds.")
    why: str = Field("", max_length=500)


class Release(One):
    """Let held requests go."""

    why: str = Field("", max_length=500)


class Drain(Change):
    """Take a version, or one of its targets, out of choice."""

    service: Name
    version: Name
    target: str = Field("", max_length=400, examples=["http://10.0.0.7:8080"])
    back: bool = Field(False, description="Put it in again.")
    force: bool = Field(False, description="Also if nothing else answers.")
    wait_seconds: Wait = 30.0


class ClearFlag(Change):
    """Drop what was set on top of a feature flag."""

    key: Key


class SetFlag(ClearFlag):
    """Set a feature flag on top of its file, until the file says something new of it."""

    value: str = Field(
        max_length=10_000, examples=["true", "25%", "dark"], description="A plain value, a variant or a percentage."
    )


class Undo(Change):
    """Take back the last verb, of one service or of all."""

    service: Name | None = None


class Reset(Change):
    """Drop the overrides of a service."""

    service: Name


class Upgrade(Input):
    """Let the code on the disk take over."""

    why: str = Field("", max_length=500)
