"""The fault scenarios at any scale: tests run them for seconds, `python -m bench.soak` for as long as they take."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from live.conftest import StartShunt
from live.crowd import Account, crowd
from live.faults import (
    TargetProcess,
    metric,
    name_server,
    rules_for,
    targets,
    wait_metric,
    worker_bytes,
    worker_descriptors,
)
from live.instance import Instance, Line, ask, until


@dataclass
class Seen:
    """What came of a scenario."""

    asked: int
    answered: int
    failed: Counter[str]
    slowest_seconds: float
    counts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, account: Account, **counts: float) -> Seen:
        """The account with further counts; underscores in their names stand for spaces."""
        named = {name.replace("_", " "): count for name, count in counts.items()}
        return cls(account.asked, account.answered.total(), account.failed(), account.slowest_seconds, named)


async def wait_asked(account: Account, more: int) -> None:
    """Return once so many more requests have ended."""
    goal = account.asked + more

    async def is_reached() -> bool:
        return account.asked >= goal

    await until(is_reached, 120)


# --- targets ---------------------------------------------------------------------------------


async def rolling_restart(start_shunt: StartShunt, *, per_second: float) -> Seen:
    """Three targets, restarted one after the other."""
    async with targets("a", "b", "c") as made:
        shunt = await start_shunt(rules_for(made))
        async with crowd(shunt.url, per_second=per_second, fresh=0.25) as account:
            for each in made:
                await wait_asked(account, int(per_second / 2))
                await each.end()
                await wait_asked(account, int(per_second / 2))
                await each.start()
            await wait_asked(account, int(per_second))
    return Seen.of(account, restarted=len(made))


async def kill_one_target(start_shunt: StartShunt, method: str, *, per_second: float, seconds: float) -> Seen:
    """Three targets, one of which is killed without a word and stays away."""
    clock = asyncio.get_running_loop().time
    async with targets("a", "b", "c") as made:
        shunt = await start_shunt(rules_for(made))
        async with crowd(shunt.url, per_second=per_second, method=method, path="/sleep/0.05") as account:
            await wait_asked(account, int(per_second))
            killed = clock()
            await made[0].end(signal.SIGKILL)
            gone = clock()
            await asyncio.sleep(seconds)
    stray = [each for each in account.failures if each.began > gone or each.ended < killed]
    seen = Seen.of(account)
    seen.counts = {"failed": len(account.failures), "failed without having been in flight": len(stray)}
    return seen


async def silent_target(start_shunt: StartShunt, *, per_second: float, seconds: float) -> Seen:
    """Three targets, one of which takes every request and never answers."""
    more = "timeouts: {response: 500ms}\neject: {after: 5, for: 60s}"
    async with targets("a", "b", "c") as made:
        shunt = await start_shunt(rules_for(made, more))
        async with crowd(shunt.url, per_second=per_second, clients=200) as account:
            await wait_asked(account, int(per_second))
            before = await worker_bytes(shunt)
            already = await made[0].asked()
            await made[0].behave("silent")
            # Each worker sends it to rest by its own count.
            ejections = await wait_metric(shunt, "shunt_ejections_total", 2)
            await asyncio.sleep(1)
            at_rest, sent = len(account.failures), await made[0].asked() - already
            await asyncio.sleep(seconds)
            after = await worker_bytes(shunt)
    return Seen.of(
        account,
        failed=len(account.failures),
        sent_to_the_silent_one=sent,
        ejections=ejections,
        failed_after_ejection=len(account.failures) - at_rest,
        grown_bytes=after - before,
    )


async def dead_candidate(start_shunt: StartShunt, *, per_second: float, seconds: float) -> Seen:
    """A canary of 10 % whose candidate has no living target."""
    async with targets("stable", "one", "two") as (stable, *dead):
        for each in dead:
            await each.end(signal.SIGKILL)
        versions = f'{{v1: "{stable.url}", v2: {{targets: ["{dead[0].url}", "{dead[1].url}"]}}}}'
        canary = "canary: {stable: v1, candidate: v2, weight: 10}"
        rules = f'services:\n  shop:\n    hosts: ["*"]\n    versions: {versions}\n    {canary}\n'
        shunt = await start_shunt(rules)
        async with crowd(shunt.url, per_second=per_second) as account:
            await asyncio.sleep(seconds)
        await wait_metric(shunt, "shunt_requests_total", account.asked)
        blamed = await metric(shunt, "shunt_failed_draws_total", version="v2")
    return Seen.of(account, counted_against_the_candidate=blamed)


async def busy_targets(start_shunt: StartShunt, *, per_second: float, seconds: float) -> Seen:
    """All targets answer 503 for a while; the counts are those of that while."""
    async with targets("a", "b", "c") as made:
        shunt = await start_shunt(rules_for(made))
        async with crowd(shunt.url, per_second=per_second) as account:
            await wait_asked(account, int(per_second * 2))
            before = sum([await each.asked() for each in made])
            for each in made:
                await each.behave("503")
            asked = account.asked
            await asyncio.sleep(seconds)
            asked = account.asked - asked
            arrived = sum([await each.asked() for each in made]) - before
            for each in made:
                await each.behave("answer")
            failed = len(account.failures)
            await wait_asked(account, int(per_second))
    late = len(account.failures) - failed
    seen = Seen.of(account, at_the_targets=arrived, floor=2 * 3 * (seconds + 2), failed_late=late)
    seen.asked = asked
    return seen


async def moved_name(start_shunt: StartShunt, *, per_second: float, ttl_seconds: int = 1) -> Seen:
    """A target's name that leads somewhere else from now on, while requests are in flight at the old place."""
    old = await TargetProcess("old", "127.0.0.2").start()
    new = await TargetProcess("new", "127.0.0.3", old.port).start()
    try:
        async with name_server("127.0.0.2", ttl_seconds) as server:
            shunt = await start_shunt(
                f'services: {{shop: {{hosts: ["*"], versions: {{v1: "http://shop.test:{old.port}"}}}}}}\n',
                dns=f"{{server: '127.0.0.1:{server.port}', min: 1s}}",
            )
            async with crowd(shunt.url, per_second=per_second) as account:
                await wait_asked(account, int(per_second / 2))
                waiting = [asyncio.create_task(ask(shunt.url, f"/sleep/{ttl_seconds + 3}")) for _ in range(20)]
                await asyncio.sleep(0.5)
                server.address = "127.0.0.3"
                await asyncio.sleep(ttl_seconds + 1)
                at_old = await old.asked()
                await wait_asked(account, int(per_second))
                late = await old.asked() - at_old
                finished = [reply.body for reply in await asyncio.gather(*waiting)].count(b"old")
    finally:
        await old.end(signal.SIGKILL)
        await new.end(signal.SIGKILL)
    seen = Seen.of(account, answered_by_new=account.answered["new"])
    seen.counts |= {"in flight on the old target, answered": finished, "at the old target after ttl + 1 s": late}
    return seen


async def chaos(start_shunt: StartShunt, *, per_second: float, seconds: float) -> Seen:
    """Targets that reset, babble, stop in the middle and come late, by chance."""
    async with targets("a", "b", "c", mode="answer") as made:
        shunt = await start_shunt(rules_for(made, "timeouts: {response: 200ms, idle: 1s}"))
        at_start = await worker_descriptors(shunt)
        async with crowd(shunt.url, per_second=per_second, clients=64, fresh=0.2) as account:
            await wait_asked(account, int(per_second))
            for each in made:
                await each.behave("chaos")
            await asyncio.sleep(min(seconds / 4, 60))
            before = await worker_bytes(shunt)
            await asyncio.sleep(seconds)
            grown = await worker_bytes(shunt) - before
            for each in made:
                await each.behave("answer")
            await wait_asked(account, int(per_second))

        async def is_at_rest() -> bool:
            return await metric(shunt, "shunt_connections") == 0

        await until(is_at_rest)
        cut = await metric(shunt, "shunt_errors_total", cause="cut")
        in_flight = await metric(shunt, "shunt_in_flight_requests")

        async def is_small() -> bool:
            return await worker_descriptors(shunt) <= at_start

        with suppress(TimeoutError):  # idle connections to targets close after 4 s
            await until(is_small, 10)
        return Seen.of(
            account,
            cut_answers=cut,
            restarted_workers=await metric(shunt, "shunt_worker_restarts_total"),
            in_flight_at_the_end=in_flight,
            connections_at_the_end=await metric(shunt, "shunt_connections"),
            grown_descriptors=await worker_descriptors(shunt) - at_start,
            grown_bytes=grown,
        )


# --- clients ---------------------------------------------------------------------------------


def _host_port(shunt: Instance) -> tuple[str, int]:
    host, _, port = shunt.url.removeprefix("http://").rpartition(":")
    return host, int(port)


async def dripping_clients(
    start_shunt: StartShunt, *, drips: int, per_second: float, head_seconds: float = 2.0
) -> Seen:
    """Clients that send one byte of their head a second."""

    async def drip(shunt: Instance) -> bytes:
        reader, writer = await asyncio.open_connection(*_host_port(shunt))
        try:
            answer = asyncio.create_task(reader.read())
            for byte in b"GET / HTTP/1.1\r\nHost: shop.test\r\n" * 9:
                writer.write(bytes([byte]))
                done, _ = await asyncio.wait([answer], timeout=1.0)
                if done:
                    break
            with suppress(ConnectionError):
                return await asyncio.wait_for(answer, head_seconds + 10)
            return b""
        finally:
            writer.close()

    async with targets("a") as made:
        shunt = await start_shunt(rules_for(made), limits=f"{{head_timeout: {head_seconds:g}s}}")
        async with crowd(shunt.url, per_second=per_second, clients=8, fresh=0.5) as account:
            answers = await asyncio.gather(*(drip(shunt) for _ in range(drips)))
    return Seen.of(account, cut_with_408=sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers))


async def idle_connections(start_shunt: StartShunt, *, idle: int, per_second: float) -> Seen:
    """Keep-alive connections that have asked once and say nothing more."""
    async with targets("a") as made:
        shunt = await start_shunt(rules_for(made))
        async with crowd(shunt.url, per_second=per_second, clients=8, fresh=0.5) as account:
            await wait_asked(account, 100)
            before = await worker_bytes(shunt)
            lines = [Line(shunt.url) for _ in range(idle)]
            for start in range(0, idle, 50):
                await asyncio.gather(*(line.ask() for line in lines[start : start + 50]))
            await wait_metric(shunt, "shunt_connections", idle)
            each = (await worker_bytes(shunt) - before) / idle
            await wait_asked(account, int(per_second * 3))
            replies = 0
            for start in range(0, idle, 50):
                replies += len(await asyncio.gather(*(line.ask() for line in lines[start : start + 50])))
        for line in lines:
            await line.close()
    return Seen.of(account, still_open=replies, bytes_each=each)


# --- the operator ----------------------------------------------------------------------------


async def upgrades(start_shunt: StartShunt, *, times: int, per_second: float) -> Seen:
    """New code takes over again and again, under kept and new connections."""
    async with targets("a", "b") as made:
        shunt = await start_shunt(rules_for(made))
        async with crowd(shunt.url, per_second=per_second, clients=64, fresh=0.5) as account:
            for turn in range(times):
                shunt.signal(signal.SIGUSR2)

                async def has_come(number: int = turn + 2) -> bool:
                    return (await shunt.status())["generation"] == number

                await until(has_come, 60)
                await wait_asked(account, int(per_second / 4))
        generation = (await shunt.status())["generation"]
    assert isinstance(generation, int)
    return Seen.of(account, upgraded=generation - 1)


async def leave_with_requests_in_flight(start_shunt: StartShunt, *, requests: int, seconds: float) -> Seen:
    """SIGTERM while requests are in flight."""
    account = Account()
    async with targets("a", "b") as made:
        shunt = await start_shunt(rules_for(made))

        async def one() -> None:
            try:
                reply = await ask(shunt.url, f"/sleep/{seconds:g}")
                account.answered[f"{reply.status}"] += 1
            except OSError as fault:
                account.answered[repr(fault)] += 1

        asked = [asyncio.create_task(one()) for _ in range(requests)]

        async def all_wait() -> bool:
            return sum([await each.asked() for each in made]) == requests

        await until(all_wait)
        shunt.signal(signal.SIGTERM)
        await asyncio.gather(*asked)
        code = await shunt.wait_exit()
    good = account.answered.pop("200", 0)
    return Seen(requests, good, account.answered, 0.0, {"exit code": code})


async def hold(start_shunt: StartShunt, *, per_second: float, seconds: float, forgotten: bool = False) -> Seen:
    """A hold under load, released, or forgotten so that it ends by itself."""
    async with targets("a") as made:
        shunt = await start_shunt(rules_for(made))
        for_seconds = seconds if forgotten else 60
        async with crowd(shunt.url, per_second=per_second, clients=1000) as account:
            await wait_asked(account, int(per_second))
            said = {"service": "shop", "max_seconds": 10, "for_seconds": for_seconds}
            assert (await shunt.post("hold", **said)).status == 200
            before = account.asked
            if not forgotten:
                await asyncio.sleep(seconds)
                during = account.asked - before
                assert (await shunt.post("release", service="shop")).status == 200
            else:
                during = account.asked - before
            await wait_asked(account, int(per_second * (seconds + 1)))
    return Seen.of(account, answered_during=during, answered_after_it=account.asked - before)
