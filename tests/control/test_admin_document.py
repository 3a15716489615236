"""The document says what the implementation does: held against it by schemathesis on a real socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from control.fake_planes import FakeHealth, FakePlanes, FakeWitnesses, rules
from proxy.control.admin.openapi import document
from proxy.control.admin.operations import OPERATIONS, Desk
from proxy.control.admin.server import Admin
from proxy.control.changes import Surroundings
from proxy.control.door import Control
from proxy.control.pacer import Pacer
from proxy.rules import Rules
from proxy.strategies.progressive import Pause, Progressive, Step

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


def with_rollout(plain: Rules) -> Rules:
    """The same rules with a rollout of their canary route."""
    shop = plain.services["shop"]
    progressive = Progressive(release="r1", steps=(Step(setWeight=20.0), Step(pause=Pause())))
    routes = tuple(replace(route, progressive=progressive) if route.name == "api" else route for route in shop.routes)
    return Rules(services={**plain.services, "shop": replace(shop, routes=routes)})


async def serve(address: list[str], started: threading.Event, stop: asyncio.Event) -> None:
    control = Control(FakePlanes(), Surroundings(probe=FakeHealth()))
    await control.start(with_rollout(rules()), "rules.yaml")
    pacer = Pacer(control, FakeWitnesses())
    await pacer.start()
    await pacer.look()
    admin = Admin(Desk(control=control, check=lambda text, name: [text], pacer=pacer), "127.0.0.1:0")
    address.append(await admin.start())
    started.set()
    await stop.wait()
    await admin.close()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    address: list[str] = []
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(address, started, stop),))
    thread.start()
    assert started.wait(10)
    yield f"http://{address[0]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


schema = schemathesis.openapi.from_dict(document(OPERATIONS, has_token=False))


@schema.exclude(path="/v1/events").parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_the_answer_is_as_documented(case: schemathesis.Case, base_url: str) -> None:
    case.call_and_validate(base_url=base_url, checks=CHECKS)


def test_every_operation_is_in_the_document_and_the_token_when_there_is_one() -> None:
    written = document(OPERATIONS, has_token=True)
    paths = written["paths"]
    assert isinstance(paths, dict)
    for operation in OPERATIONS:
        path = paths[operation.path]
        assert isinstance(path, dict)
        assert operation.method.lower() in path
    assert written["security"] == [{"token": []}]
