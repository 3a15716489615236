"""Probes and Prometheus are answered, and can change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from proxy.control.malformed import quieten
from proxy.control.telemetry import Readiness, Telemetry

FAULT = "rules.yaml:14: services.shop.canary.weight: 140 is not between 0 and 100"
found = Readiness(is_ready=True, remarks=[FAULT])


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    registry = CollectorRegistry()
    Gauge("shunt_rules_valid", "Whether the rules are good", registry=registry).set(0)
    telemetry = Telemetry("127.0.0.1:0", registry, lambda: found)
    async with aiohttp.ClientSession(f"http://{await telemetry.start()}") as session:
        yield session
    await telemetry.close()


async def test_prometheus_finds_its_metrics(client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert "shunt_rules_valid 0.0" in await answer.text()
    async with client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
        assert answer.content_type == "application/openmetrics-text"
        assert (await answer.text()).endswith("# EOF\n")


async def test_it_is_alive(client: aiohttp.ClientSession) -> None:
    async with client.get("/livez") as answer:
        assert answer.status == 200


async def test_a_broken_rules_file_is_shown_and_stays_ready(client: aiohttp.ClientSession) -> None:
    async with client.get("/readyz?verbose") as answer:
        assert (answer.status, await answer.text()) == (200, f"ready\n{FAULT}\n")
    async with client.get("/readyz") as answer:
        assert await answer.text() == "ready\n"


async def test_who_is_not_ready_says_why(client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    unready = Readiness(is_ready=False, reasons=["draining"])
    monkeypatch.setitem(globals(), "found", unready)
    async with client.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "not ready\ndraining\n")


@pytest.mark.parametrize("path", ["/v1/status", "/v1/switch", "/"])
async def test_there_is_no_control_here(client: aiohttp.ClientSession, path: str) -> None:
    async with client.post(path, json={}) as answer:
        assert answer.status == 404


async def test_a_malformed_request_is_no_matter_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    quieten()
    telemetry = Telemetry("127.0.0.1:0", CollectorRegistry(), lambda: found)
    host, _, port = (await telemetry.start()).rpartition(":")
    for level, expected in (("INFO", []), ("DEBUG", ["DEBUG"])):
        caplog.clear()
        with caplog.at_level(level, "aiohttp.server"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /livez HTTP/1.1\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
        assert [record.levelname for record in caplog.records] == expected
        assert not any(record.exc_info or "\n" in record.getMessage() for record in caplog.records)
    await telemetry.close()
