"""Hooks and measurements: others are asked within bounds, told without waiting, and silence is never a yes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from proxy.control.hooks import QUEUE_MESSAGES, SIGNATURE, Hooks, Unheard
from proxy.control.measuring import MOST_BYTES, NotMeasured, measure
from proxy.strategies.progressive import Notify, Prometheus, Provider, Web, Webhook

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """A server of which every path is answered so; its URL."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


def replying(status: int, body: object = None) -> Handler:
    """A handler that always answers so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return handle


def hook(url: str, *, retries: int = 0, timeout: float = 5.0) -> Webhook:
    return Webhook(name="gate", type="confirm-rollout", url=url, retries=retries, timeout=timeout)


# --- hooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "passes"), [(200, True), (204, True), (403, False), (302, False), (500, False)])
async def test_only_2xx_is_a_yes(status: int, passes: bool) -> None:
    async with answering(replying(status)) as url, Hooks.open() as hooks:
        assert await hooks.ask(hook(url), {"name": "shop"}) is passes


async def test_all_hooks_of_a_kind_must_say_yes() -> None:
    async with answering(replying(200)) as yes, answering(replying(403)) as no, Hooks.open() as hooks:
        assert await hooks.pass_([hook(yes), hook(yes)], {})
        assert not await hooks.pass_([hook(yes), hook(no)], {})


async def test_a_hook_hears_who_where_and_its_own_metadata() -> None:
    heard: list[dict[str, object]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        heard.append(await request.json())
        return web.Response()

    async with answering(handle) as url, Hooks.open() as hooks:
        asked = Webhook(name="load", type="pre-rollout", url=url, metadata={"cmd": "hey"})
        await hooks.ask(asked, {"name": "shop", "phase": "running", "revision": 7})
    assert heard == [{"name": "shop", "phase": "running", "revision": 7, "metadata": {"cmd": "hey"}}]


async def test_nobody_there_is_neither_a_yes_nor_a_no() -> None:
    async with Hooks.open() as hooks:
        with pytest.raises(Unheard, match="could not be asked"):
            await hooks.ask(hook("http://127.0.0.1:1/"), {})


async def test_a_hook_that_never_answers_ends_at_its_bound() -> None:
    gate = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    async with answering(handle) as url, Hooks.open() as hooks:
        with pytest.raises(Unheard):
            await hooks.ask(hook(url, timeout=0.05), {})
        gate.set()


async def test_a_hook_that_fails_once_is_asked_again() -> None:
    answers = [503, 200]

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=answers.pop(0))

    async with answering(handle) as url, Hooks.open() as hooks:
        assert await hooks.ask(hook(url, retries=1), {})


# --- notifications --------------------------------------------------------------------------


async def test_a_notification_is_signed_with_the_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    heard: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def handle(request: web.Request) -> web.StreamResponse:
        heard.put_nowait((await request.read(), request.headers[SIGNATURE]))
        return web.Response()

    async with answering(handle) as url, Hooks.open() as hooks:
        running = asyncio.create_task(hooks.run())
        hooks.tell([Notify(url=url, secret_file=str(secret))], {"event": "rolled back"})
        body, signature = await asyncio.wait_for(heard.get(), 5)
        running.cancel()
    assert json.loads(body) == {"event": "rolled back"}
    assert signature == f"sha256={hmac.new(b'hush', body, hashlib.sha256).hexdigest()}"


async def test_nothing_goes_out_unsigned_when_the_secret_is_gone(tmp_path: Path) -> None:
    async with Hooks.open() as hooks:
        running = asyncio.create_task(hooks.run())
        hooks.tell([Notify(url="http://127.0.0.1:1/", secret_file=str(tmp_path / "none"), retries=0)], {})
        async with asyncio.timeout(5):
            while not hooks.lost:  # noqa: ASYNC110 - nobody tells when something is lost
                await asyncio.sleep(0)
        running.cancel()
    assert hooks.lost == 1


async def test_what_finds_no_room_is_lost_and_counted_and_nobody_waits() -> None:
    async with Hooks.open() as hooks:
        for _ in range(QUEUE_MESSAGES + 3):
            hooks.tell([Notify(url="http://127.0.0.1:1/")], {})
        assert hooks.lost == 3


# --- measurements ---------------------------------------------------------------------------


async def test_prometheus_gives_the_values_of_a_vector() -> None:
    sample = {"metric": {}, "value": [1700000000, "0.25"]}
    answer = {"status": "success", "data": {"resultType": "vector", "result": [sample]}}
    async with answering(replying(200, answer)) as url, aiohttp.ClientSession() as session:
        provider = Provider(prometheus=Prometheus(address=url, query="rate(errors[1m])"))
        assert await measure(session, provider) == [0.25]


async def test_a_web_page_is_narrowed_by_its_path() -> None:
    async with answering(replying(200, {"data": {"ok": True}})) as url, aiohttp.ClientSession() as session:
        assert await measure(session, Provider(web=Web(url=url, jsonPath="{$.data.ok}"))) is True


@pytest.mark.parametrize(
    "handler",
    [
        replying(500, {"data": 1}),
        replying(404, {"data": 1}),
        replying(200, {"other": 1}),
        replying(200, "x" * (MOST_BYTES + 1)),
    ],
    ids=["500", "404", "nothing there", "endless"],
)
async def test_what_cannot_be_measured_is_an_error_and_no_result(handler: Handler) -> None:
    async with answering(handler) as url, aiohttp.ClientSession() as session:
        with pytest.raises(NotMeasured):
            await measure(session, Provider(web=Web(url=url, jsonPath="{$.data}")))


async def test_a_prometheus_that_complains_is_an_error() -> None:
    complaint = {"status": "error", "errorType": "bad_data", "error": "parse error"}
    async with answering(replying(400, complaint)) as url, aiohttp.ClientSession() as session:
        with pytest.raises(NotMeasured, match="parse error"):
            await measure(session, Provider(prometheus=Prometheus(address=url, query="(")))


async def test_a_prometheus_that_is_away_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NotMeasured):
            await measure(session, Provider(prometheus=Prometheus(address="http://127.0.0.1:1", query="up")))
