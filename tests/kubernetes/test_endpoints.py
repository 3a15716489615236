"""EndpointSlices: ready pods get requests, leaving ones finish, and nobody is better than no one."""

from __future__ import annotations

import pytest

from proxy.errors import Invalid
from proxy.kubernetes.api import Api
from proxy.kubernetes.endpoints import Endpoints, Reference, endpoints
from proxy.kubernetes.objects import Json, Object
from tests.kubernetes.cluster import Cluster


def pods(*each: tuple[str, dict[str, Json]], port: int = 8080) -> Object:
    return {
        "metadata": {"name": "shop-abc", "labels": {"kubernetes.io/service-name": "shop"}},
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [address], "conditions": conditions} for address, conditions in each],
    }


def test_ready_pods_of_all_slices_are_targets() -> None:
    found = endpoints([pods(("10.0.0.1", {"ready": True})), pods(("10.0.0.2", {}))], "http")
    assert found == Endpoints(("10.0.0.1:8080", "10.0.0.2:8080"), ())


def test_a_terminating_pod_drains_and_an_unready_one_is_left_out() -> None:
    leaving: dict[str, Json] = {"ready": False, "serving": True, "terminating": True}
    found = endpoints(
        [pods(("10.0.0.1", {"ready": True}), ("10.0.0.2", leaving), ("10.0.0.3", {"ready": False}))], "8080"
    )
    assert found == Endpoints(("10.0.0.1:8080",), ("10.0.0.2:8080",))


def test_when_only_leaving_pods_serve_they_answer_rather_than_nobody() -> None:
    leaving: dict[str, Json] = {"ready": False, "serving": True, "terminating": True}
    gone: dict[str, Json] = {"ready": False, "serving": False, "terminating": True}
    assert endpoints([pods(("10.0.0.2", leaving), ("10.0.0.3", gone))], "http") == Endpoints(("10.0.0.2:8080",), ())


def test_an_address_of_version_6_gets_its_brackets() -> None:
    assert endpoints([pods(("fd00::1", {}))], "http").ready == ("[fd00::1]:8080",)


def test_another_port_is_not_meant() -> None:
    assert endpoints([pods(("10.0.0.1", {}))], "grpc") == Endpoints((), ())


@pytest.mark.parametrize("written", ["k8s://prod/shop", "http://prod/shop:80", "k8s:///shop:80", "k8s://prod/a/b:80"])
def test_a_reference_names_namespace_service_and_port(written: str) -> None:
    assert Reference.parse("k8s://prod/shop:http") == Reference("prod", "shop", "http")
    with pytest.raises(Invalid):
        Reference.parse(written)


async def test_the_slices_of_one_service_are_listed_by_its_label(cluster: Cluster, api: Api) -> None:
    cluster.put("discovery.k8s.io/v1", "endpointslices", pods(("10.0.0.1", {})))
    other = pods(("10.0.0.9", {}))
    other["metadata"] = {"name": "other", "labels": {"kubernetes.io/service-name": "other"}}
    cluster.put("discovery.k8s.io/v1", "endpointslices", other)
    listed = await api.list(Reference("shunt", "shop", "http").slices)
    assert endpoints(listed.objects.values(), "http").ready == ("10.0.0.1:8080",)
