"""EndpointSlices: which pods answer for a Service's port, and which of them are leaving."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from proxy.errors import Invalid
from proxy.kubernetes.objects import Collection, Object, mapping, sequence, text

SERVICE_LABEL = "kubernetes.io/service-name"


class Reference(NamedTuple):
    """`k8s://namespace/service:port`; the port by its number or its name."""

    namespace: str
    service: str
    port: str

    @classmethod
    def parse(cls, written: str) -> Reference:
        """The reference from its text; Invalid otherwise."""
        parts = urlsplit(written)
        service, _, port = parts.path.removeprefix("/").partition(":")
        if parts.scheme != "k8s" or not parts.netloc or not service or not port or "/" in service + port:
            raise Invalid(f"{written!r} is not k8s://namespace/service:port")
        return cls(parts.netloc, service, port)

    @property
    def slices(self) -> Collection:
        """The EndpointSlices of the Service."""
        label = f"{SERVICE_LABEL}={self.service}"
        return Collection(
            group="discovery.k8s.io/v1", resource="endpointslices", namespace=self.namespace, labels=label
        )


class Endpoints(NamedTuple):
    """Addresses as `host:port`. `leaving` still answer, but get no new requests: they drain."""

    ready: tuple[str, ...]
    leaving: tuple[str, ...]


def endpoints(slices: Iterable[Object], port: str) -> Endpoints:
    """The endpoints of all slices together.

    A nil `ready` counts as ready (API reference). When none is ready, those that still serve while they
    terminate answer rather than nobody, as kube-proxy does.
    """
    ready: dict[str, None] = {}
    leaving: dict[str, None] = {}
    for each in slices:
        number = _port(each, port)
        if number is None:
            continue
        for endpoint in sequence(each.get("endpoints")):
            conditions = mapping(endpoint.get("conditions"))
            addresses = endpoint.get("addresses")
            for address in addresses if isinstance(addresses, list) else ():
                place = f"[{address}]:{number}" if ":" in text(address) else f"{text(address)}:{number}"
                if conditions.get("terminating") is True:
                    if conditions.get("serving") is not False:
                        leaving[place] = None
                elif conditions.get("ready") is not False:
                    ready[place] = None
    gone = tuple(place for place in sorted(leaving) if place not in ready)
    return Endpoints(tuple(sorted(ready)), gone) if ready else Endpoints(gone, ())


def _port(found: Object, wanted: str) -> int | None:
    """The number of the port in this slice: by name, by number, or the only one there is."""
    ports = sequence(found.get("ports"))
    for each in ports:
        number = each.get("port")
        if isinstance(number, int) and wanted in (text(each.get("name")), str(number)):
            return number
    return None
