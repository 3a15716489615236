"""A real Shunt beside the API server: changes are live at once, and no absence costs a request."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.kubernetes.cluster import NAMESPACE, Cluster, Key, Object
from tests.live.instance import Backend, Instance, ask, launch, load, until

LIVE_SECONDS = 1.0
"""So soon after a change at the API server new requests follow it."""

IGNORED = "the mount of shunt-rules is not what the API server says"

Start = Callable[[str], Awaitable[Instance]]


@pytest.fixture
async def ending() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def backends(ending: AsyncExitStack) -> dict[str, Backend]:
    """One and two, which answer with their names."""
    found = {name: Backend(name) for name in ("one", "two")}
    for backend in found.values():
        await backend.start()
        ending.push_async_callback(backend.stop)
    return found


@pytest.fixture
def start(cluster: Cluster, ending: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """`await start(rules)` gives an instance with these rules in its mount, in a pod of the cluster."""
    account = tmp_path / "account"
    account.mkdir()
    for name in ("token", "ca.crt"):
        shutil.copy(cluster.access.ca_file.with_name(name), account / name)
    (account / "namespace").write_text(NAMESPACE)
    host, port = cluster.access.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    settings = tmp_path / "shunt.yaml"
    settings.write_text(f"kubernetes: {{rules: shunt-rules, flags: feature-flags, account: {account}}}\n")

    async def started(rules: str) -> Instance:
        directory = tmp_path / f"instance-{time.monotonic_ns()}"
        directory.mkdir()
        instance = await launch(directory, rules, "--workers", "1", "--config", str(settings))
        ending.push_async_callback(instance.end)
        await instance.wait_serving()
        return instance

    return started


def rules(backend: Backend) -> str:
    return f"services: {{shop: {{hosts: shop.test, versions: {{{backend.name}: '{backend.url}'}}}}}}\n"


async def answered(instance: Instance, name: str) -> bool:
    return (await ask(instance.url)).body.decode() == name


async def test_a_configmap_is_live_within_a_second_and_the_older_mount_does_not_revert_it(
    cluster: Cluster, backends: dict[str, Backend], start: Start
) -> None:
    one, two = backends["one"], backends["two"]
    cluster.configmap("shunt-rules", rules_yaml=rules(one))
    instance = await start(rules(one))
    assert await answered(instance, "one")
    await until(lambda: _is(cluster.watching >= 2))
    cluster.configmap("shunt-rules", rules_yaml=rules(two))
    await until(lambda: answered(instance, "two"), LIVE_SECONDS)
    instance.rules.write_text(rules(one) + "# the kubelet is late\n")
    await until(lambda: _said(instance, IGNORED))
    assert await answered(instance, "two")


async def test_a_start_believes_the_api_server_rather_than_a_mount_that_is_behind(
    cluster: Cluster, backends: dict[str, Backend], start: Start
) -> None:
    cluster.configmap("shunt-rules", rules_yaml=rules(backends["two"]))
    instance = await start(rules(backends["one"]))
    assert await answered(instance, "two")
    await until(lambda: _said(instance, IGNORED))
    assert await answered(instance, "two")


async def test_cuts_forgetting_deletion_and_absence_cost_no_request_and_then_it_converges(
    cluster: Cluster, backends: dict[str, Backend], start: Start
) -> None:
    one, two = backends["one"], backends["two"]
    cluster.configmap("shunt-rules", rules_yaml=rules(one))
    instance = await start(rules(one))
    async with load(instance.url) as tally:
        for _ in range(20):
            await until(lambda: _is(cluster.watching >= 2))
            cluster.cut()
        cluster.delete("v1", "configmaps", "shunt-rules")
        await cluster.stop()
        cluster.forget()
        await until(lambda: _says(instance, "Cannot connect"))
        cluster.configmap("shunt-rules", rules_yaml=rules(two))
        await cluster.start()
        await until(lambda: answered(instance, "two"))
        await until(lambda: _is_well(instance))
    assert tally.failed == []


async def test_rejected_rules_are_an_event_that_names_the_fault_and_the_last_good_ones_hold(
    cluster: Cluster, backends: dict[str, Backend], start: Start
) -> None:
    cluster.configmap("shunt-rules", rules_yaml=rules(backends["one"]))
    instance = await start(rules(backends["one"]))
    await until(lambda: _is(cluster.watching >= 2))
    cluster.configmap("shunt-rules", rules_yaml="services: {shop: {hosts: shop.test, versions: {}}}")
    await until(lambda: _is(bool(_events(cluster))))
    (event,) = _events(cluster)
    assert (event["reason"], event["type"]) == ("RulesRejected", "Warning")
    assert "services.shop.versions: is empty" in event["note"]
    assert await answered(instance, "one")


async def test_a_flag_changed_at_the_api_server_decides_at_once(
    cluster: Cluster, backends: dict[str, Backend], start: Start
) -> None:
    one, two = backends["one"], backends["two"]
    text = (
        f"services: {{shop: {{hosts: shop.test, versions: {{one: '{one.url}', two: '{two.url}'}}, rolling: one, "
        "flags: [{name: new, when: {flag: {NEW: 'true'}}, version: two}]}}\n"
    )
    cluster.configmap("shunt-rules", rules_yaml=text)
    cluster.configmap("feature-flags", NEW="false")
    instance = await start(text)
    assert await answered(instance, "one")
    await until(lambda: _is(cluster.watching >= 2))
    cluster.configmap("feature-flags", NEW="true")
    await until(lambda: answered(instance, "two"), LIVE_SECONDS)


def _events(cluster: Cluster) -> list[Object]:
    return list(cluster.objects.get(Key("events.k8s.io/v1", NAMESPACE, "events"), {}).values())


async def _is(value: bool) -> bool:
    return value


async def _said(instance: Instance, words: str) -> bool:
    return any(words in line for line in instance.lines)


async def _says(instance: Instance, word: str) -> bool:
    return word in (await ask(instance.telemetry, "/readyz?verbose", host="localhost")).body.decode()


async def _is_well(instance: Instance) -> bool:
    reply = await ask(instance.telemetry, "/readyz?verbose", host="localhost")
    return reply.status == 200 and reply.body.decode().split() == ["ready"]
