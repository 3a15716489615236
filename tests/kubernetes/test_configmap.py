"""Rules by the API: live at once, and never taken back by the slower mount."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy import config
from proxy.config import Source
from proxy.config.files import is_rules_name
from proxy.errors import Invalid
from proxy.kubernetes.api import Api
from proxy.kubernetes.configmap import ConfigMapWatch
from proxy.kubernetes.events import Reporter
from proxy.kubernetes.precedence import Precedence
from proxy.rules import Rules
from tests.kubernetes.cluster import NAMESPACE, Cluster, Key
from tests.kubernetes.patience import until

RULES = "services: {shop: {hosts: shop.test, versions: {v1: http://127.0.0.1:%d}}}"


@asynccontextmanager
async def watching(api: Api) -> AsyncIterator[list[Rules | Invalid]]:
    told: list[Rules | Invalid] = []

    async def take(found: Rules | Invalid) -> None:
        told.append(found)

    watch = ConfigMapWatch(api, "shunt-rules", config.rules, take, is_rules_name)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.run())
        yield told
        task.cancel()


def target(found: Rules | Invalid) -> str:
    assert isinstance(found, Rules)
    return found.services["shop"].versions["v1"].targets[0]


async def test_new_rules_are_told_once_and_a_deleted_configmap_changes_nothing(cluster: Cluster, api: Api) -> None:
    cluster.configmap("shunt-rules", rules_yaml=RULES % 1)
    async with watching(api) as told:
        await until(lambda: len(told) == 1)
        cluster.configmap("shunt-rules", rules_yaml=RULES % 1)
        cluster.delete("v1", "configmaps", "shunt-rules")
        cluster.configmap("shunt-rules", rules_yaml=RULES % 2)
        await until(lambda: len(told) == 2)
        assert [target(found) for found in told] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]


async def test_broken_rules_are_told_with_every_fault_and_their_key(cluster: Cluster, api: Api) -> None:
    cluster.configmap("shunt-rules", rules_yaml="services: {shop: {hosts: 1 2, versions: {}}}", readme="not rules")
    async with watching(api) as told:
        await until(lambda: len(told) == 1)
        assert isinstance(told[0], Invalid)
        assert "configmap/shunt-rules/rules.yaml:1: services.shop.versions: is empty" in str(told[0])


def content(text: str, place: str = "/etc/shunt/rules") -> tuple[Source, ...]:
    return (Source(f"{place}/rules.yaml", text.encode()),)


def test_the_mount_never_reverts_what_the_api_has_told() -> None:
    precedence = Precedence()
    assert not precedence.is_stale(content("a"))
    precedence.told(content("a", "configmap/shunt-rules"))
    precedence.told(content("b", "configmap/shunt-rules"))
    assert precedence.is_stale(content("a"))
    assert not precedence.is_stale(content("b"))


def test_while_the_server_is_away_the_mount_counts_and_while_it_is_there_it_does_not() -> None:
    precedence = Precedence()
    precedence.told(content("a"))
    assert not precedence.is_stale(content("edited while the server was away"))
    precedence.is_followed = True
    assert precedence.is_stale(content("older than what was told first"))


def test_going_back_on_purpose_is_not_stale() -> None:
    precedence = Precedence()
    for text in ("a", "b", "a"):
        precedence.told(content(text))
    assert not precedence.is_stale(content("a"))
    assert precedence.is_stale(content("b"))


async def test_an_event_is_about_the_rules_and_says_who_and_why(cluster: Cluster, api: Api) -> None:
    await Reporter(api, "shunt-7f").report("Warning", "RulesRejected", "Reload", "ü" * 2000)
    (event,) = cluster.objects[Key("events.k8s.io/v1", NAMESPACE, "events")].values()
    assert event["regarding"]["name"] == "shunt-rules"
    assert (event["type"], event["reason"], event["reportingInstance"]) == ("Warning", "RulesRejected", "shunt-7f")
    assert len(event["note"].encode()) <= 1024
