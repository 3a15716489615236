"""Feature flags in real processes: route, header and application agree, whatever changes meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from live.application import Application, ConfigMap, Sdk, Told
from live.conftest import StartShunt
from live.instance import Instance, Line, ask, until

LIVE_SECONDS = 2.0
"""What users are promised: a flip of a ConfigMap is live within so long of the swap."""
REQUESTS, IDENTITIES = 3000, 500


@pytest.fixture
async def apps() -> AsyncIterator[tuple[Application, Application]]:
    """The application's two versions, `v1` and `v2`."""
    both = Application("v1"), Application("v2")
    for app in both:
        await app.start()
    yield both
    for app in both:
        await app.stop()


@pytest.fixture
def rules(apps: tuple[Application, Application]) -> str:
    """The flag `new-checkout` draws `v2`; the application is told of it and of `theme`."""
    return f"""
services:
  shop:
    hosts: ["*"]
    versions: {{v1: "{apps[0].url}", v2: "{apps[1].url}"}}
    identity: header:x-user
    canary: {{stable: v1, candidate: v2, flag: new-checkout}}
    flag_headers: [new-checkout, theme]
    routes:
      - name: dark
        match: {{path: {{prefix: /}}, flag: {{theme: dark}}}}
        headers: {{response: {{set: {{x-route: dark}}}}}}
"""


@pytest.fixture
def mount(tmp_path: Path) -> ConfigMap:
    return ConfigMap(tmp_path / "flags", new_checkout="false", theme="light")


def user(name: str) -> str:
    return f"x-user: {name}\r\n"


async def told(line: Line, name: str) -> Told:
    return Told.by(await line.ask(fields=user(name)))


async def flagged(start_shunt: StartShunt, rules: str, flags: Path, *options: str) -> Instance:
    return await start_shunt(rules, "--flags", str(flags), "--ofrep", "127.0.0.1:0", *options)


async def test_a_flip_of_the_configmap_is_live_in_route_header_and_sdk(
    start_shunt: StartShunt, rules: str, mount: ConfigMap
) -> None:
    shunt = await flagged(start_shunt, rules, mount.path)
    sdk, line = Sdk(shunt.ofrep), Line(shunt.url)
    before = await told(line, "ann")
    assert (before.version, before.variants, before.variant) == ("v1", {"new-checkout": "off", "theme": "light"}, "off")
    mount.swap(new_checkout="true", theme="dark")

    async def is_live() -> bool:
        reply = await line.ask(fields=user("ann"))
        now, asked = Told.by(reply), await sdk.one("new-checkout", "ann")
        return (now.version, now.variant, asked["value"], reply.head.get("x-route")) == ("v2", "on", True, "dark")

    await until(is_live, LIVE_SECONDS)
    assert (await shunt.status())["revision"] == 2
    await sdk.close()
    await line.close()


async def test_broken_flags_leave_the_last_good_ones_and_show(
    start_shunt: StartShunt, rules: str, mount: ConfigMap
) -> None:
    shunt = await flagged(start_shunt, rules, mount.path)
    mount.swap(new_checkout="true", theme="dark", more__flagd__json='{"flags": {"x": {"state": "ON"}}}')

    async def shows() -> bool:
        return not (await shunt.status())["flags_valid"]

    await until(shows)
    line = Line(shunt.url)
    assert (await told(line, "ann")).version == "v1"
    faults = (await shunt.status())["flag_faults"]
    assert isinstance(faults, list)
    assert "more.flagd.json:1: flags.x.state" in faults[0]
    assert faults[0] in "\n".join(shunt.lines)
    assert b"\nshunt_flags_valid 0.0\n" in (await ask(shunt.telemetry, "/metrics")).body
    ready = await ask(shunt.telemetry, "/readyz?verbose")
    assert (ready.status, faults[0].encode() in ready.body) == (200, True)
    mount.swap(new_checkout="true", theme="dark")

    async def is_well() -> bool:
        return bool((await shunt.status())["flags_valid"])

    await until(is_well)
    assert (await told(line, "ann")).version == "v2"
    await line.close()


async def test_broken_flags_at_the_start_are_exit_code_2(start_shunt: StartShunt, rules: str, tmp_path: Path) -> None:
    mount = ConfigMap(tmp_path / "broken", more__flagd__json="{")
    shunt = await start_shunt(rules, "--flags", str(mount.path), "--ofrep", "127.0.0.1:0", wait=False)
    assert await shunt.wait_exit() == 2
    assert any("more.flagd.json" in line for line in shunt.lines)


async def test_a_flag_that_is_set_is_live_on_every_worker_when_the_verb_answers(
    start_shunt: StartShunt, rules: str, mount: ConfigMap
) -> None:
    shunt = await flagged(start_shunt, rules, mount.path, "--workers", "3")

    async def everywhere() -> set[str]:
        # A connection stays with its worker; so many of them reach every one.
        lines = [Line(shunt.url) for _ in range(24)]
        seen = {(await told(line, "ann")).version for line in lines}
        for line in lines:
            await line.close()
        return seen

    answer = await shunt.post("flags/set", key="new-checkout", value="100%", why="launch")
    assert answer.json["acknowledged_workers"] == [0, 1, 2]  # type: ignore[index]
    assert await everywhere() == {"v2"}
    await shunt.post("flags/clear", key="new-checkout")
    assert await everywhere() == {"v1"}
    await shunt.post("undo")
    assert await everywhere() == {"v2"}
    await shunt.post("undo")
    assert await everywhere() == {"v1"}
    shown = (await shunt.get("/v1/flags")).json
    assert [flag["drives"] for flag in shown["flags"]] == [["shop"], []]  # type: ignore[index]


async def test_what_was_set_survives_every_crash_and_applications_hardly_notice(
    start_shunt: StartShunt, rules: str, mount: ConfigMap
) -> None:
    shunt = await flagged(start_shunt, rules, mount.path)
    before = Told.by(await ask(shunt.url, fields=user("ann")))
    await shunt.post("flags/set", key="new-checkout", value="true")
    brain = await shunt.brain()
    os.kill(brain, signal.SIGKILL)
    sdk = Sdk(shunt.ofrep)
    # Its socket outlives the brain: who asks now waits, and is answered by the next one, at every revision.
    assert (await sdk.one("new-checkout", "ann"))["value"] is True
    assert (await sdk.one("new-checkout", "ann", before.revision))["value"] is False
    assert await shunt.brain() != brain
    for pid in (await shunt.workers()).values():
        os.kill(pid, signal.SIGKILL)

    async def is_back() -> bool:
        return len(await shunt.workers()) == 2

    await until(is_back)
    assert {Told.by(await ask(shunt.url, fields=user("ann"))).version for _ in range(8)} == {"v2"}
    assert (await shunt.status())["revision"] == 2
    await sdk.close()


async def test_nobody_can_tell_an_application_what_its_flags_are(
    start_shunt: StartShunt, rules: str, mount: ConfigMap, apps: tuple[Application, Application]
) -> None:
    shadowed = rules + "    shadow: [{version: v2}]\n"
    shunt = await start_shunt(
        shadowed, "--flags", str(mount.path), "--ofrep", "127.0.0.1:0", trusted_proxies="[127.0.0.0/8]"
    )
    forged = "".join(
        f"{name}: forged\r\n" for name in ("x-shunt-flags", "X-Shunt-Variant", "x_shunt_flags", "x-shunt-revision")
    )
    said = Told.by(await ask(shunt.url, fields=user("ann") + forged))
    assert said.variants == {"new-checkout": "off", "theme": "light"}

    async def was_copied() -> bool:
        return bool(apps[1].heard)

    await until(was_copied)
    copied = dict(apps[1].heard[0])
    assert copied.pop("x-shunt-shadow") == ["1"]
    assert copied == apps[0].heard[0]


async def test_an_sdk_that_polls_is_told_only_what_is_new_for_its_user(
    start_shunt: StartShunt, rules: str, mount: ConfigMap
) -> None:
    shunt = await flagged(start_shunt, rules, mount.path)
    sdk = Sdk(shunt.ofrep)
    tag = (await sdk.ask("", "ann")).head["etag"]
    assert (await sdk.ask("", "ann", fields=f"If-None-Match: {tag}\r\n")).status == 304
    await shunt.post("flags/set", key="theme", value="dark")
    assert (await sdk.ask("", "ann", fields=f"If-None-Match: {tag}\r\n")).status == 200
    await sdk.close()


async def test_without_flags_there_is_no_listener_for_applications(start_shunt: StartShunt, rules: str) -> None:
    shunt = await start_shunt(rules)
    assert shunt.ofrep == ""
    assert (await ask(shunt.url, fields=user("ann"))).json["version"] == "v1"  # type: ignore[index]


async def test_route_header_and_application_never_disagree_while_flags_change(
    start_shunt: StartShunt, rules: str, mount: ConfigMap
) -> None:
    shunt = await flagged(start_shunt, rules, mount.path)
    dice = random.Random(6)
    numbers = itertools.count()
    revisions: set[str] = set()

    async def client() -> None:
        line, sdk = Line(shunt.url), Sdk(shunt.ofrep)
        # As many requests as promised, and more, within a bound, where a fast machine has seen too few changes by then.
        while (number := next(numbers)) < REQUESTS or (len(revisions) <= 4 and number < 50 * REQUESTS):
            name = f"user-{dice.randrange(IDENTITIES)}"
            found = await told(line, name)
            one = await sdk.one("new-checkout", name, found.revision)
            bulk = await sdk.all(name, found.revision)
            assert one == bulk["new-checkout"]
            assert (found.variant, found.version) in (("on", "v2"), ("off", "v1"))
            assert found.variants == {key: flag["variant"] for key, flag in bulk.items()}
            assert found.variant == one["variant"]
            revisions.add(found.revision)
        await line.close()
        await sdk.close()

    async def changes() -> None:
        for change in itertools.count():
            if change % 2:
                await shunt.post("flags/set", key="new-checkout", value=f"{dice.randrange(101)}%")
            else:
                mount.swap(new_checkout=f"{dice.randrange(101)}%", theme=dice.choice(["dark", "light"]))
            await asyncio.sleep(0.3)

    changing = asyncio.create_task(changes())
    await asyncio.gather(*(client() for _ in range(4)))
    changing.cancel()
    assert len(revisions) > 4


async def test_a_flags_percentage_is_rolled_out_and_judged_without_a_new_deployment(
    start_shunt: StartShunt, mount: ConfigMap
) -> None:
    app = Application("same")
    await app.start()
    both = app.url
    shunt = await flagged(
        start_shunt,
        f"""
services:
  shop:
    hosts: ["*"]
    versions: {{without: "{both}", with: "{both}"}}
    identity: header:x-user
    canary: {{stable: without, candidate: with, flag: new-checkout}}
    flag_headers: [new-checkout]
    progressive:
      release: r1
      steps: [{{setWeight: 30}}, {{pause: 200ms}}, {{setWeight: 100}}]
      analysis: {{minimum: 20, seconds: 300ms, warm_up: 0s}}
""",
        mount.path,
    )
    numbers = itertools.count()
    over = asyncio.Event()

    async def client() -> None:
        line = Line(shunt.url)
        while not over.is_set():
            await told(line, f"user-{next(numbers) % IDENTITIES}")
        await line.close()

    clients = asyncio.gather(*(client() for _ in range(4)))

    async def is_promoted() -> bool:
        (rollout,) = (await shunt.get("/v1/rollouts")).json["rollouts"]  # type: ignore[index]
        return bool(rollout["phase"] == "done")

    await until(is_promoted, 60.0)
    over.set()
    await clients
    assert Told.by(await ask(shunt.url, fields=user("ann"))).variant == "on"
    shown = (await shunt.get("/v1/flags")).json["flags"]  # type: ignore[index]
    assert [(flag["override"]["value"], flag["override"]["origin"]) for flag in shown[:1]] == [("100%", "rollout")]
    await app.stop()
