"""State in ConfigMaps: the same promises as a file's, among several replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from proxy.control.state import Json
from proxy.errors import Conflict
from proxy.kubernetes.api import Api
from proxy.kubernetes.state import MAX_BYTES, KubernetesState
from tests.kubernetes.cluster import Cluster

DOCUMENT: Mapping[str, Json] = {"kept": {"revision": 7}, "rollouts": None, "ledger": {"entries": [1, "zwölf", 2.5]}}


@pytest.fixture
async def replicas(cluster: Cluster) -> AsyncIterator[tuple[KubernetesState, KubernetesState]]:
    """Two replicas at one API server."""
    first, second = Api(cluster.access), Api(cluster.access)
    yield KubernetesState(first), KubernetesState(second)
    await first.close()
    await second.close()


Pair = tuple[KubernetesState, KubernetesState]


async def test_what_one_replica_saves_another_finds(replicas: Pair) -> None:
    first, second = replicas
    assert (await first.load()).token == ""
    token = await first.save(DOCUMENT, "")
    found = await second.load()
    assert (found.sections, found.token, found.lost) == (DOCUMENT, token, ())


async def test_of_two_who_write_at_once_one_is_told_and_has_written_nothing(replicas: Pair) -> None:
    first, second = replicas
    token = await first.save(DOCUMENT, (await first.load()).token)
    await second.load()
    results = await asyncio.gather(
        first.save({**DOCUMENT, "kept": 1, "ledger": "first"}, token),
        second.save({**DOCUMENT, "kept": 2, "ledger": "second"}, token),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(Conflict) == 1
    winner = "first" if isinstance(results[0], str) else "second"
    found = (await first.load()).sections
    assert (found["kept"], found["ledger"]) == ({"first": 1, "second": 2}[winner], winner)


async def test_a_stale_token_is_a_conflict(replicas: Pair) -> None:
    first, second = replicas
    await first.load()
    await first.save(DOCUMENT, "")
    await second.load()
    await second.save({"kept": 2}, (await second.load()).token)
    with pytest.raises(Conflict):
        await first.save({"kept": 3}, "")


async def test_who_watches_hears_what_another_writes_and_not_itself(replicas: Pair) -> None:
    first, second = replicas
    token = await first.save(DOCUMENT, (await first.load()).token)
    watching = first.watch(token)
    heard = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    token = await first.save({**DOCUMENT, "kept": "my own"}, token)
    await second.load()
    await second.save({**DOCUMENT, "kept": "theirs"}, token)
    assert (await asyncio.wait_for(heard, 10)).sections["kept"] == "theirs"
    await watching.aclose()  # type: ignore[attr-defined]


async def test_only_what_changed_is_written(cluster: Cluster, replicas: Pair) -> None:
    first, _ = replicas
    token = await first.save(DOCUMENT, (await first.load()).token)
    cluster.asked.clear()
    await first.save({**DOCUMENT, "kept": {"revision": 8}}, token)
    assert cluster.asked == ["update configmaps shunt-kept"]


async def test_a_section_that_is_damaged_or_gone_is_named_as_lost(cluster: Cluster, replicas: Pair) -> None:
    first, second = replicas
    await first.save(DOCUMENT, (await first.load()).token)
    cluster.configmap("shunt-ledger", section_json="{half")
    cluster.delete("v1", "configmaps", "shunt-rollouts")
    found = await second.load()
    assert found.sections == {"kept": {"revision": 7}}
    assert [lost.partition(":")[0] for lost in found.lost] == ["rollouts", "ledger"]


async def test_a_section_too_large_for_a_configmap_is_refused_whole(replicas: Pair) -> None:
    first, _ = replicas
    await first.load()
    with pytest.raises(OSError, match="more than fits"):
        await first.save({"kept": "x" * MAX_BYTES}, "")


async def test_without_the_server_it_cannot_be_saved_and_nothing_is_lost(cluster: Cluster, replicas: Pair) -> None:
    first, second = replicas
    token = await first.save(DOCUMENT, (await first.load()).token)
    await cluster.stop()
    with pytest.raises(OSError, match="cannot be written"):
        await first.save({**DOCUMENT, "kept": 9}, token)
    await cluster.start()
    assert (await second.load()).sections == DOCUMENT
