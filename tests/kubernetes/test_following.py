"""Following: every change is seen, whatever happens to the connection, and no absence changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proxy.kubernetes.api import Api
from proxy.kubernetes.faults import Forbidden, Missing, Unreachable
from proxy.kubernetes.following import Follower
from proxy.kubernetes.objects import Collection, Object, texts
from tests.kubernetes.cluster import NAMESPACE, Cluster
from tests.kubernetes.patience import until

RULES = Collection(group="v1", resource="configmaps", namespace=NAMESPACE, name="shunt-rules")


class Seen:
    """The states that a follower told."""

    def __init__(self) -> None:
        self.states: list[dict[str, Object]] = []

    def says(self, value: str) -> bool:
        last = self.states[-1].get("shunt-rules", {}) if self.states else {}
        return texts(last.get("data")).get("rules.yaml") == value


@asynccontextmanager
async def following(api: Api) -> AsyncIterator[tuple[Follower, Seen]]:
    follower, seen = Follower(api, RULES, lambda: 0.0), Seen()

    async def follow() -> None:
        async for state in follower.states():
            seen.states.append(state)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        yield follower, seen
        task.cancel()


async def test_a_change_is_seen_and_a_deletion_too(cluster: Cluster, api: Api) -> None:
    cluster.configmap("shunt-rules", rules_yaml="1")
    async with following(api) as (_, seen):
        await until(lambda: seen.says("1"))
        cluster.configmap("shunt-rules", rules_yaml="2")
        await until(lambda: seen.says("2"))
        cluster.delete("v1", "configmaps", "shunt-rules")
        await until(lambda: seen.states[-1] == {})


async def test_a_watch_that_is_cut_a_hundred_times_misses_nothing_and_lists_once(cluster: Cluster, api: Api) -> None:
    async with following(api) as (_, seen):
        for number in range(100):
            await until(lambda: cluster.watching == 1)
            cluster.cut()
            cluster.configmap("shunt-rules", rules_yaml=str(number))
            await until(lambda number=number: seen.says(str(number)))
    assert cluster.asked.count("list configmaps shunt-rules") == 1


@pytest.mark.parametrize("by_event", [True, False])
async def test_a_forgotten_place_is_found_again_by_listing(cluster: Cluster, api: Api, by_event: bool) -> None:
    cluster.says_gone_by_event = by_event
    cluster.configmap("shunt-rules", rules_yaml="1")
    async with following(api) as (_, seen):
        await until(lambda: seen.says("1") and cluster.watching == 1)
        await cluster.stop()
        cluster.configmap("shunt-rules", rules_yaml="2")
        cluster.forget()
        await cluster.start()
        await until(lambda: seen.says("2"))


async def test_bookmarks_move_the_place_on_without_a_state(cluster: Cluster, api: Api) -> None:
    async with following(api) as (_, seen):
        await until(lambda: cluster.watching == 1)
        cluster.configmap("somebody-elses", a="1")
        cluster.configmap("shunt-rules", rules_yaml="1")
        await until(lambda: seen.says("1"))
    assert len(seen.states) == 2


async def test_while_the_server_is_away_the_last_state_holds_and_the_fault_is_named(cluster: Cluster, api: Api) -> None:
    cluster.configmap("shunt-rules", rules_yaml="1")
    async with following(api) as (follower, seen):
        await until(lambda: seen.says("1"))
        await cluster.stop()
        await until(lambda: follower.fault != "")
        assert seen.says("1")
        await cluster.start()
        await until(lambda: follower.fault == "")
        cluster.configmap("shunt-rules", rules_yaml="2")
        await until(lambda: seen.says("2"))


async def test_an_object_of_half_a_mebibyte_comes_whole(cluster: Cluster, api: Api) -> None:
    async with following(api) as (_, seen):
        await until(lambda: cluster.watching == 1)
        cluster.configmap("shunt-rules", rules_yaml="x" * (512 << 10))
        await until(lambda: seen.says("x" * (512 << 10)))


async def test_what_the_role_does_not_allow_is_forbidden(api: Api) -> None:
    with pytest.raises(Forbidden, match="cannot list"):
        await api.list(replace(RULES, name=""))
    with pytest.raises(Missing):
        await api.get(RULES, "shunt-rules")


async def test_a_stranger_with_another_certificate_is_not_believed(cluster: Cluster, api: Api) -> None:
    impostor = replace(cluster.access, url=cluster.access.url.replace("127.0.0.1", "127.0.0.2"))
    stranger = Api(impostor)
    with pytest.raises(Unreachable):
        await stranger.get(RULES, "shunt-rules")
    await stranger.close()
