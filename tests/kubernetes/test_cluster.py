"""The fake API server, held against the official client: what it says is what Kubernetes would say."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kubernetes_asyncio import client, watch
from kubernetes_asyncio.client.exceptions import ApiException

from tests.kubernetes.cluster import NAMESPACE, TOKEN, Cluster


@pytest.fixture
async def official(cluster: Cluster) -> AsyncIterator[client.CoreV1Api]:
    configuration = client.Configuration(host=cluster.access.url)
    configuration.ssl_ca_cert = str(cluster.access.ca_file)
    configuration.api_key["BearerToken"] = f"Bearer {TOKEN}"
    async with client.ApiClient(configuration) as opened:
        yield client.CoreV1Api(opened)


async def test_it_reads_what_was_put(cluster: Cluster, official: client.CoreV1Api) -> None:
    cluster.configmap("shunt-rules", rules_yaml="services: {}")
    found = await official.read_namespaced_config_map("shunt-rules", NAMESPACE)
    assert found.data == {"rules.yaml": "services: {}"}


async def test_it_watches_from_where_the_list_ended(cluster: Cluster, official: client.CoreV1Api) -> None:
    chosen = {"field_selector": "metadata.name=shunt-rules"}
    listed = await official.list_namespaced_config_map(NAMESPACE, **chosen)
    cluster.configmap("shunt-rules", rules_yaml="services: {}")
    async with watch.Watch() as watching:
        async for event in watching.stream(
            official.list_namespaced_config_map,
            NAMESPACE,
            resource_version=listed.metadata.resource_version,
            allow_watch_bookmarks=True,
            **chosen,
        ):
            assert event["type"] == "ADDED"
            assert event["object"].data == {"rules.yaml": "services: {}"}
            break


async def test_an_old_version_is_a_conflict(cluster: Cluster, official: client.CoreV1Api) -> None:
    found = await official.read_namespaced_config_map("shunt-kept", NAMESPACE)
    found.data = {"a": "1"}
    await official.replace_namespaced_config_map("shunt-kept", NAMESPACE, found)
    with pytest.raises(ApiException) as refused:
        await official.replace_namespaced_config_map("shunt-kept", NAMESPACE, found)
    assert refused.value.status == 409


async def test_the_shipped_role_holds(official: client.CoreV1Api) -> None:
    for asked in (
        official.list_namespaced_secret(NAMESPACE),
        official.read_namespaced_config_map("somebody-elses", NAMESPACE),
        official.delete_namespaced_config_map("shunt-kept", NAMESPACE),
        official.list_namespaced_config_map(NAMESPACE),
    ):
        with pytest.raises(ApiException) as refused:
            await asked
        assert refused.value.status == 403
