"""The admin API on real sockets: verbs, refusals, conflicts, strangers, streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from control.fake_planes import FakeHealth, FakePlanes, rules
from proxy.control.admin.guard import find_token
from proxy.control.admin.operations import OPERATIONS, Desk
from proxy.control.admin.server import Admin
from proxy.control.door import Control
from proxy.errors import Invalid
from proxy.ledger import By


def check(text: str, name: str) -> Sequence[str]:
    return [] if text == "good" else [f"{name}:1: {text}"]


@pytest.fixture
async def api(control: Control) -> AsyncIterator[aiohttp.ClientSession]:
    admin = Admin(Desk(control=control, check=check), "127.0.0.1:0")
    async with aiohttp.ClientSession(f"http://{await admin.start()}") as session:
        yield session
    await admin.close()


SWITCH = {"scope": "shop", "version": "green"}


async def post(api: aiohttp.ClientSession, verb: str, **said: object) -> tuple[int, dict[str, object]]:
    async with api.post(f"/v1/{verb}", json=said) as answer:
        found = await answer.json(content_type=None)
        assert isinstance(found, dict)
        return answer.status, found


async def test_a_switch_answers_with_revision_in_flight_and_workers(
    api: aiohttp.ClientSession, planes: FakePlanes
) -> None:
    planes.busy = {("shop", "blue"): 3}
    async with api.post(
        "/v1/switch", json={**SWITCH, "why": "release 7"}, headers={"x-shunt-who": "ann@desk"}
    ) as answer:
        said = await answer.json()
        assert (answer.status, answer.headers["ETag"], answer.headers["x-shunt-revision"]) == (200, '"2"', "2")
    assert (said["revision"], said["in_flight"], said["acknowledged_workers"]) == (2, 3, [0, 1])
    async with api.get("/v1/ledger?limit=1") as answer:
        (entry,) = (await answer.json())["entries"]
    assert (entry["who"], entry["what"], entry["why"]) == ("ann@desk", "switch shop green", "release 7")


async def test_every_verb_goes_through(api: aiohttp.ClientSession) -> None:
    verbs: list[tuple[str, dict[str, object]]] = [
        ("switch", {**SWITCH, "force": True, "wait_seconds": 1}),
        ("weight", {"scope": "shop/api", "weight": 25}),
        ("weight", {"scope": "shop/split", "weights": {"blue": 1, "teal": 1}}),
        ("hold", {"service": "shop", "max_seconds": 10, "for_seconds": 30}),
        ("release", {"service": "shop"}),
        ("drain", {"service": "shop", "version": "blue", "target": "http://blue:80"}),
        ("undo", {}),
        ("reset", {"service": "shop"}),
        ("explain", {"host": "shop.example", "path": "/x?y=1", "header": ["x-beta: true"], "identity": "ann"}),
        ("rules/validate", {"text": "good"}),
    ]
    for verb, said in verbs:
        status, found = await post(api, verb, **said)
        assert status == 200, (verb, found)
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.name != "rolloutReport":
            async with api.get(operation.path.replace("{service}", "shop")) as answer:
                assert answer.status == 200, operation.path
                assert answer.headers["x-shunt-revision"] == "7"


async def test_a_wrong_expectation_is_a_conflict_with_the_present_revision(api: aiohttp.ClientSession) -> None:
    status, problem = await post(api, "switch", **SWITCH, expecting=7)
    assert (status, problem["revision"], problem["type"]) == (409, 1, "urn:shunt:error:conflict")
    async with api.post("/v1/switch", json=SWITCH, headers={"If-Match": '"7"'}) as answer:
        assert (answer.status, answer.content_type) == (409, "application/problem+json")
    async with api.post("/v1/switch", json=SWITCH, headers={"If-Match": '"1"'}) as answer:
        assert answer.status == 200
    async with api.post("/v1/switch", json={**SWITCH, "expecting": 2}, headers={"If-Match": '"1"'}) as answer:
        assert answer.status == 422


async def test_a_dead_colour_is_refused_with_the_reason(api: aiohttp.ClientSession, health: FakeHealth) -> None:
    health.dead = {"green"}
    status, problem = await post(api, "switch", **SWITCH)
    assert status == 409
    assert "connection refused" in str(problem["detail"])
    assert (await post(api, "switch", **SWITCH, force=True))[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b'{"scope": "shop"}', 422),
        (b'{"scope": "shop", "version": 7}', 422),
        (b'{"scope": "shop", "version": "green", "unknown": 1}', 422),
        (b'{"scope": "nope", "version": "green"}', 404),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(
    api: aiohttp.ClientSession, planes: FakePlanes, body: bytes, status: int
) -> None:
    async with api.post("/v1/switch", data=body, headers={"Content-Type": "application/json"}) as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["status"], problem["revision"]) == (status, status, 1)
    assert problem["detail"]
    assert len(planes.published) == 1


async def test_a_form_of_a_web_page_cannot_change_anything(api: aiohttp.ClientSession, planes: FakePlanes) -> None:
    async with api.post("/v1/switch", data=json.dumps(SWITCH), headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
    async with api.get("/v1/switch", params=SWITCH) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert len(planes.published) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:9901"},
        {"Host": "localhost.evil.example"},
    ],
)
async def test_strangers_web_pages_are_refused(
    api: aiohttp.ClientSession, planes: FakePlanes, headers: dict[str, str]
) -> None:
    async with api.post("/v1/switch", json=SWITCH, headers=headers) as answer:
        assert answer.status == 403
    async with api.get("/v1/status", headers=headers) as answer:
        assert answer.status == 403
    assert len(planes.published) == 1


@pytest.mark.parametrize("host", ["localhost:9901", "127.0.0.1", "[::1]:9901", "10.0.0.7:80"])
async def test_our_own_names_are_let_in(api: aiohttp.ClientSession, host: str) -> None:
    async with api.get("/v1/status", headers={"Host": host, "Origin": f"http://{host}"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "given", [None, "Bearer", "Bearer wrong", "Basic secret", "Bearer s\u00e9cret", "bearer secret2"]
)
async def test_without_the_right_token_nothing_happens(control: Control, planes: FakePlanes, given: str | None) -> None:
    admin = Admin(Desk(control=control, check=check), "127.0.0.1:0", "secret")
    async with aiohttp.ClientSession(f"http://{await admin.start()}") as session:
        headers = {"Authorization": given} if given else {}
        for path in ("/v1/switch", "/v1/reset", "/v1/undo"):
            async with session.post(path, json=SWITCH, headers=headers) as answer:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
                assert not {"ETag", "x-shunt-revision"} & answer.headers.keys()
                assert "revision" not in await answer.json()
        for path in ("/v1/status", "/v1/openapi.json", "/v1/events"):
            async with session.get(path, headers=headers) as answer:
                assert answer.status == 401
        assert len(planes.published) == 1
        headers = {"Authorization": "Bearer secret", "Host": "shunt.example"}
        async with session.post("/v1/switch", json=SWITCH, headers=headers) as answer:
            assert answer.status == 200
    assert control.store.ledger.entries[-1].who == "token"
    await admin.close()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0", "10.0.0.7:9901", "shunt.example:9901"])
async def test_it_refuses_to_listen_to_strangers_without_a_token(control: Control, address: str) -> None:
    with pytest.raises(Invalid, match="token"):
        Admin(Desk(control=control, check=check), address)
    Admin(Desk(control=control, check=check), address, "secret")


@pytest.mark.parametrize("address", ["", "9901", "host", "host:port", "host:99999", "unix:"])
async def test_what_is_no_address_is_said(control: Control, address: str) -> None:
    with pytest.raises(Invalid, match="not an address"):
        Admin(Desk(control=control, check=check), address)


def test_the_token_comes_from_its_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "empty").write_text("\n")
    assert find_token(str(tmp_path / "token"), "other") == "secret"
    assert find_token("", "other") == "other"
    assert find_token("", "") == ""
    for name in ("empty", "missing"):
        with pytest.raises(Invalid):
            find_token(str(tmp_path / name), "other")


async def test_a_unix_socket_is_for_its_owner_alone(control: Control, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    for _ in range(2):
        admin = Admin(Desk(control=control, check=check), f"unix:{path}")
        assert await admin.start() == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        connector = aiohttp.UnixConnector(str(path))
        session = aiohttp.ClientSession("http://shunt", connector=connector)
        async with session, session.get("/v1/status") as answer:
            assert answer.status == 200
        await admin.close()
        assert not path.exists()


async def test_a_socket_left_by_a_dead_process_is_replaced_but_not_a_living_one(
    control: Control, tmp_path: Path
) -> None:
    address = f"unix:{tmp_path / 'admin.sock'}"
    living = Admin(Desk(control=control, check=check), address)
    await living.start()
    with pytest.raises(OSError, match="in use"):
        await Admin(Desk(control=control, check=check), address).start()
    await living.close()


async def test_the_state_shows_waiting_holds_faults_and_overrides(
    api: aiohttp.ClientSession, control: Control, health: FakeHealth
) -> None:
    health.dead = {"green"}
    await control.reload(rules("green"), "rules.yaml")
    control.refuse(["rules.yaml:1: broken"])
    await post(api, "hold", service="shop")
    await post(api, "weight", scope="shop/api", weight=25)
    async with api.get("/v1/status") as answer:
        status = await answer.json()
    shop = status["services"][1]
    assert status["faults"] == ["rules.yaml:1: broken"]
    assert not status["rules_valid"]
    assert shop["strategies"][0] == {
        "scope": "shop",
        "strategy": "blue_green",
        "percent": {"blue": 100.0},
        "flag": "",
        "waiting_for": "green",
        "shadows": [],
        "flag_rules": [],
    }
    assert shop["strategies"][1]["percent"] == {"blue": 75.0, "green": 25.0}
    assert shop["hold"] == {"max_seconds": 10.0, "until": 1030.0}
    assert len(shop["overrides"]) == 2
    assert [worker["pid"] for worker in status["workers"]] == [100, 101]


async def test_changes_are_told_to_all_who_listen(api: aiohttp.ClientSession, control: Control) -> None:
    async with api.get("/v1/events") as stream:
        assert stream.content_type == "text/event-stream"
        assert (await stream.content.readuntil(b"\n\n")).startswith(b"event: hello\n")
        await control.switch("shop", "green", By("ann@desk", "switch shop green"))
        name, number, value = (await stream.content.readuntil(b"\n\n")).decode().strip().split("\n")
    assert (name, number) == ("event: change", "id: 2")
    assert json.loads(value.removeprefix("data: "))["value"]["what"] == "switch shop green"


async def test_a_stream_ends_when_the_process_leaves(control: Control) -> None:
    admin = Admin(Desk(control=control, check=check), "127.0.0.1:0")
    session = aiohttp.ClientSession(f"http://{await admin.start()}")
    async with session, session.get("/v1/events") as stream:
        await stream.content.readuntil(b"\n\n")
        await asyncio.wait_for(admin.close(), 10)
        assert await stream.content.read() == b""


async def test_export_is_yaml_with_the_overrides_folded_in(api: aiohttp.ClientSession) -> None:
    await post(api, "switch", **SWITCH)
    await post(api, "drain", service="shop", version="teal")
    async with api.get("/v1/export") as answer:
        assert answer.content_type == "application/yaml"
        text = await answer.text()
    assert "active: green" in text
    assert "drained:\n    - teal" in text
    assert "timeouts" not in text
