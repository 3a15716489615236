"""Targets: checked and found by the control plane, so that requests only meet those that are there and well."""

from __future__ import annotations

import os
import signal

from live.conftest import StartShunt
from live.faults import metric, name_server, rules_for, targets
from live.instance import Backend, Instance, ask, until

HEALTH = "health: {path: /healthz, every: 100ms, down_after: 2}"


async def health(shunt: Instance, version: str = "v1") -> list[str]:
    """What the status says of each target."""
    found = (await shunt.get("/v1/targets")).json
    return [target["health"] for target in found["targets"] if target["version"] == version]


async def wait_health(shunt: Instance, *words: str) -> None:
    """Return once the status says so."""

    async def is_so() -> bool:
        return await health(shunt) == [*words]

    await until(is_so)


async def test_a_target_that_fails_its_checks_gets_no_requests_until_it_is_well_again(start_shunt: StartShunt) -> None:
    async with targets("a", "b") as made:
        shunt = await start_shunt(rules_for(made, HEALTH))
        await wait_health(shunt, "up", "up")
        await made[1].behave("503")
        await wait_health(shunt, "up", "down")
        assert {(await ask(shunt.url)).body for _ in range(50)} == {b"a"}
        assert await metric(shunt, "shunt_target_healthy", target=made[1].url) == 0
        await made[1].behave("answer")
        await wait_health(shunt, "up", "up")

        async def has_both() -> bool:
            return (await ask(shunt.url)).body == b"b"

        await until(has_both)


async def test_when_all_checks_fail_requests_are_tried_anyway(start_shunt: StartShunt) -> None:
    async with targets("a", "b") as made:
        shunt = await start_shunt(rules_for(made, HEALTH.replace("/healthz", "/_no_such/")))
        for each in made:
            await each.behave("503")
        await wait_health(shunt, "down", "down")
        for each in made:
            await each.behave("answer")
        assert (await ask(shunt.url)).status == 200


async def test_a_switch_to_a_colour_that_fails_its_checks_is_refused(start_shunt: StartShunt) -> None:
    async with targets("blue", "green") as (blue, green):
        await green.behave("503")
        versions = f'{{blue: "{blue.url}", green: "{green.url}"}}'
        strategy = "blue_green: {active: blue}"
        rules = f'services:\n  shop:\n    hosts: ["*"]\n    versions: {versions}\n    {strategy}\n    {HEALTH}\n'
        shunt = await start_shunt(rules)
        refused = await shunt.post("switch", scope="shop", version="green")
        assert refused.status == 409
        assert "answers 503" in str(refused.json)
        assert (await ask(shunt.url)).body == b"blue"


async def test_a_restarted_brain_lets_targets_come_back_that_were_down_before(start_shunt: StartShunt) -> None:
    async with targets("a", "b") as made:
        shunt = await start_shunt(rules_for(made, HEALTH))
        await made[1].behave("503")
        await wait_health(shunt, "up", "down")
        os.kill(await shunt.brain(), signal.SIGKILL)
        await made[1].behave("answer")
        await wait_health(shunt, "up", "up")

        async def has_both() -> bool:
            return (await ask(shunt.url)).body == b"b"

        await until(has_both)


async def test_a_name_that_does_not_resolve_blocks_no_start_and_is_found_later(
    start_shunt: StartShunt, blue: Backend
) -> None:
    async with name_server("", 1) as server:
        shunt = await start_shunt(
            f'services: {{shop: {{hosts: ["*"], versions: {{v1: "http://shop.test:{blue.port}"}}}}}}\n',
            dns=f"{{server: '127.0.0.1:{server.port}', min: 100ms}}",
        )
        assert await health(shunt) == ["unresolved"]
        assert (await ask(shunt.url)).status == 503
        assert b"shop.test has no address" in (await ask(shunt.telemetry, "/readyz?verbose")).body
        server.address = "127.0.0.1"

        async def is_found() -> bool:
            return (await ask(shunt.url)).body == b"blue"

        await until(is_found)
