"""Objects of the API as plain JSON, narrowed where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Objects of one kind in one namespace; with `name` only that one, with `labels` only those that have them."""

    group: str
    """Such as `discovery.k8s.io/v1`, or `v1` for the core."""
    resource: str
    namespace: str
    name: str = ""
    labels: str = ""

    @property
    def path(self) -> str:
        """The collection's path at the API server."""
        root = "/api" if "/" not in self.group else "/apis"
        return f"{root}/{self.group}/namespaces/{self.namespace}/{self.resource}"

    def query(self) -> dict[str, str]:
        """What narrows a list or watch down."""
        asked = {"fieldSelector": f"metadata.name={self.name}"} if self.name else {}
        return asked | ({"labelSelector": self.labels} if self.labels else {})


class Listed(NamedTuple):
    """The objects by name, and the version of the whole collection."""

    objects: dict[str, Object]
    version: str


OPENED = "OPENED"
"""The server has accepted a watch; not a word of its own."""


class Event(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK; before all others OPENED."""

    kind: str
    object: Object


def name_of(found: Object) -> str:
    """metadata.name."""
    return text(mapping(found.get("metadata")).get("name"))


def version_of(found: Object) -> str:
    """metadata.resourceVersion: opaque, only ever handed back."""
    return text(mapping(found.get("metadata")).get("resourceVersion"))


def mapping(value: Json | Mapping[str, Json]) -> dict[str, Json]:
    """The value as a mapping; empty when it is none."""
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[dict[str, Json]]:
    """The mappings of a list."""
    return [mapping(each) for each in value] if isinstance(value, list) else []


def text(value: Json) -> str:
    """The value as text; "" when it is none."""
    return value if isinstance(value, str) else ""


def texts(value: Json) -> dict[str, str]:
    """A mapping of texts, such as a ConfigMap's data."""
    return {key: each for key, each in mapping(value).items() if isinstance(each, str)}
