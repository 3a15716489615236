"""OFREP: the application's own SDK is told what the route was told, in the protocol's words."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientResponse, ClientSession, web
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import (
    ErrorCode,
    FlagNotFoundError,
    GeneralError,
    OpenFeatureError,
    TargetingKeyMissingError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import Reason

from proxy.control.ofrep import BULK, Access, Ofrep, evaluated, told_in_bulk
from proxy.flags.asker import Asker
from proxy.flags.flag import Context
from proxy.flags.flagset import Document, FlagSet, History, Plain, Sources, assign, compiled
from proxy.flags.injection import headers_for
from proxy.model import Request
from tests.flags import ofrep_schema

ALICE = EvaluationContext("alice", {"plan": "pro"})
BOOLEANS = {"yes": True, "no": False}
PRO = {"if": [{"==": [{"var": "plan"}, "pro"]}, "yes"]}
DOCUMENT = {
    "metadata": {"team": "shop"},
    "flags": {
        "whole": {"state": "ENABLED", "variants": {"one": 1.0, "half": 0.5}, "defaultVariant": "one"},
        "targeted": {"state": "ENABLED", "variants": BOOLEANS, "defaultVariant": "no", "targeting": PRO},
        "bare": {"state": "ENABLED", "variants": BOOLEANS, "targeting": PRO},
        "disabled": {"state": "DISABLED", "variants": BOOLEANS, "defaultVariant": "yes"},
        "broken": {"state": "ENABLED", "variants": BOOLEANS, "targeting": {"/": [1, 0]}},
        "a/b c": {"state": "ENABLED", "variants": BOOLEANS, "defaultVariant": "yes"},
    },
}
PLAIN = {"boolean": "true", "text": "dark", "integer": "3", "float": "2.5", "object": '{"a": [1]}', "half": "50%"}


def flag_set(**changed: str) -> FlagSet:
    plain = tuple(Plain(key, text, key) for key, text in {**PLAIN, **changed}.items())
    return compiled(Sources(plain=plain, documents=(Document("shop", DOCUMENT),)))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Sidecar:
    """A served OFREP listener with its provider, and an HTTP client beside it."""

    def __init__(self, address: str, http: ClientSession, history: History, clock: Clock) -> None:
        self.address = address
        self.http = http
        self.history = history
        self.clock = clock
        self.provider = OFREPProvider(address)

    async def resolve(self, kind: str, key: str, default: object, context: EvaluationContext | None = ALICE) -> tuple:
        """What the real provider makes of a flag: value, variant, reason. It blocks, so it runs in a thread."""
        ask = getattr(self.provider, f"resolve_{kind}_details")
        found = await asyncio.to_thread(ask, key, default, context)
        return found.value, found.variant, found.reason

    async def single(self, key: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
        async with self._post(f"/ofrep/v1/evaluate/flags/{key}", body, headers) as answer:
            told = await answer.json()
            ofrep_schema.validate(ofrep_schema.SINGLE, answer.status, told)
            return answer.status, told

    async def bulk(self, context: object, **headers: str) -> tuple[int, dict[str, object], str]:
        async with self._post(BULK, {"context": context}, headers) as answer:
            if answer.status == 304:
                return 304, {}, answer.headers["etag"]
            told = await answer.json()
            ofrep_schema.validate(ofrep_schema.BULK, answer.status, told)
            return answer.status, told, answer.headers.get("etag", "")

    @asynccontextmanager
    async def _post(self, path: str, body: object, headers: dict[str, str]) -> AsyncIterator[ClientResponse]:
        content = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body or {}).encode())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.address + path, data=content, headers=named) as answer:
            yield answer


@asynccontextmanager
async def serving(access: Access = Access()) -> AsyncIterator[Sidecar]:  # noqa: B008 - frozen
    clock, history = Clock(), History(flag_set())
    runner = web.AppRunner(Ofrep(lambda: history, access, now=clock, wall_clock=clock).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with ClientSession() as http:
            sidecar = Sidecar(f"http://{host}:{port}", http, history, clock)
            yield sidecar
            sidecar.provider.session.close()
    finally:
        await runner.cleanup()


@pytest.fixture
async def sidecar() -> AsyncIterator[Sidecar]:
    async with serving() as made:
        yield made


# --- the real provider as client ----------------------------------------------------------


async def test_the_sdk_gets_each_of_the_five_types(sidecar: Sidecar) -> None:
    assert await sidecar.resolve("boolean", "boolean", False) == (True, "on", Reason.STATIC)
    assert await sidecar.resolve("string", "text", "") == ("dark", "dark", Reason.STATIC)
    assert await sidecar.resolve("integer", "integer", 0) == (3, "3", Reason.STATIC)
    assert await sidecar.resolve("float", "float", 0.0) == (2.5, "2.5", Reason.STATIC)
    assert await sidecar.resolve("object", "object", {}) == ({"a": [1]}, "value", Reason.STATIC)


async def test_a_float_that_is_whole_arrives_as_a_float(sidecar: Sidecar) -> None:
    value, variant, _ = await sidecar.resolve("float", "whole", 0.0)
    assert (repr(value), variant) == ("1.0", "one")


async def test_the_sdk_is_told_why(sidecar: Sidecar) -> None:
    assert await sidecar.resolve("boolean", "targeted", False) == (True, "yes", Reason.TARGETING_MATCH)
    assert (await sidecar.resolve("boolean", "half", False))[2] == Reason.SPLIT
    # OFREP has no DEFAULT: the default variant is a static value, a missing one is unknown.
    bob = EvaluationContext("bob", {"plan": "free"})
    assert await sidecar.resolve("boolean", "targeted", True, bob) == (False, "no", Reason.STATIC)
    assert await sidecar.resolve("boolean", "bare", True, bob) == (True, "", Reason.UNKNOWN)


async def test_a_flag_of_another_type_is_a_mismatch(sidecar: Sidecar) -> None:
    with pytest.raises(TypeMismatchError):
        await sidecar.resolve("boolean", "text", False)
    with pytest.raises(TypeMismatchError):
        await sidecar.resolve("float", "integer", 0.5)


async def test_an_unknown_flag_is_not_found(sidecar: Sidecar) -> None:
    with pytest.raises(FlagNotFoundError, match="there is no flag 'nobody'"):
        await sidecar.resolve("boolean", "nobody", False)


async def test_a_split_without_targeting_key_says_so_and_other_flags_need_none(sidecar: Sidecar) -> None:
    for context in (None, EvaluationContext(None, {"plan": "pro"}), EvaluationContext("")):
        with pytest.raises(TargetingKeyMissingError, match="'half' is decided by the targeting key"):
            await sidecar.resolve("boolean", "half", False, context)
    assert (await sidecar.resolve("boolean", "boolean", False, None))[0] is True


async def test_a_disabled_flag_leaves_the_applications_default(sidecar: Sidecar) -> None:
    assert await sidecar.resolve("boolean", "disabled", False) == (False, "", Reason.DISABLED)
    assert await sidecar.resolve("boolean", "disabled", True) == (True, "", Reason.DISABLED)


async def test_targeting_that_fails_is_a_general_error(sidecar: Sidecar) -> None:
    with pytest.raises(GeneralError, match="the targeting of 'broken' failed"):
        await sidecar.resolve("boolean", "broken", False)


async def test_a_key_with_a_slash_and_a_space_is_found(sidecar: Sidecar) -> None:
    assert (await sidecar.resolve("boolean", "a/b c", False))[0] is True
    assert (await sidecar.single("a%2Fb%20c"))[1]["key"] == "a/b c"


async def test_whoever_asks_too_often_waits_and_is_answered_again() -> None:
    async with serving(Access(per_second=2)) as sidecar:
        for _ in range(2):
            assert (await sidecar.resolve("boolean", "boolean", False))[0] is True
        with pytest.raises(GeneralError, match="Rate limited, retry after: 1"):
            await sidecar.resolve("boolean", "boolean", False)
        # The provider itself now pauses, and does not even ask.
        with pytest.raises(GeneralError, match="paused"):
            await sidecar.resolve("boolean", "boolean", False)
        sidecar.clock.now += 1
        assert sidecar.provider.retry_after is not None
        sidecar.provider.retry_after = sidecar.provider.retry_after.replace(year=2000)
        assert (await sidecar.resolve("boolean", "boolean", False))[0] is True


async def test_only_whoever_shows_the_key_is_answered() -> None:
    async with serving(Access(key="secret")) as sidecar:
        with pytest.raises(OpenFeatureError, match="unauthorized") as refused:
            await sidecar.resolve("boolean", "boolean", False)
        assert refused.value.error_code is ErrorCode.GENERAL
        for headers in ({"X-API-Key": "secret"}, {"Authorization": "Bearer secret"}):
            sidecar.provider.headers_factory = lambda shown=headers: shown
            assert (await sidecar.resolve("boolean", "boolean", False))[0] is True
        sidecar.provider.headers_factory = lambda: {"Authorization": "Bearer wrong"}
        with pytest.raises(OpenFeatureError, match="unauthorized"):
            await sidecar.resolve("boolean", "boolean", False)


# --- the protocol -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "PARSE_ERROR"),
        (b"\xff", "PARSE_ERROR"),
        (b"[]", "PARSE_ERROR"),
        (b'{"context": {"n": NaN}}', "PARSE_ERROR"),
        (b"[" * 100_000, "PARSE_ERROR"),
        (b" " * (1 << 20) + b"{}", "PARSE_ERROR"),
        (b'{"context": []}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": 7}}', "INVALID_CONTEXT"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_with_a_code(sidecar: Sidecar, body: bytes, code: str) -> None:
    status, told = await sidecar.single("boolean", body)
    assert (status, told["key"], told["errorCode"]) == (400, "boolean", code)
    assert told["errorDetails"]
    async with sidecar._post(BULK, body, {}) as answer:
        told = await answer.json()
        ofrep_schema.validate(ofrep_schema.BULK, answer.status, told)
        assert (answer.status, told["errorCode"]) == (400, code)


async def test_a_request_without_body_asks_for_nobody_in_particular(sidecar: Sidecar) -> None:
    assert (await sidecar.single("boolean", b""))[0] == 200


async def test_every_flag_is_told_at_once_and_as_each_alone(sidecar: Sidecar) -> None:
    context = {"targetingKey": "alice", "plan": "pro"}
    status, told, _ = await sidecar.bulk(context)
    assert status == 200
    assert told["metadata"] == {"team": "shop"}
    assert [flag["key"] for flag in told["flags"]] == sorted(sidecar.history.current.flags)
    for flag in told["flags"]:
        assert flag == (await sidecar.single(flag["key"], {"context": context}))[1]


async def test_a_known_answer_is_not_sent_again(sidecar: Sidecar) -> None:
    _, _, tag = await sidecar.bulk({"targetingKey": "alice"})
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        assert await sidecar.bulk({"targetingKey": "alice"}, if_none_match=known) == (304, {}, tag)
    assert (await sidecar.bulk({"targetingKey": "alice"}, if_none_match='"other"'))[0] == 200


async def test_the_tag_knows_the_flags_and_the_context(sidecar: Sidecar) -> None:
    tags: dict[str, str] = {}
    for n in range(60):
        _, told, tag = await sidecar.bulk({"targetingKey": f"user-{n}"})
        assert tags.setdefault(json.dumps(told), tag) == tag
    assert len(set(tags.values())) == len(tags) == 2
    sidecar.history.use(flag_set(text="light"))
    assert (await sidecar.bulk({"targetingKey": "user-0"}, if_none_match=", ".join(tags.values())))[0] == 200


async def test_an_application_is_answered_at_the_revision_of_its_request(sidecar: Sidecar) -> None:
    before = sidecar.history.current
    for n in range(3):
        sidecar.history.use(flag_set(text=f"theme-{n}"))
    asked = {"x_shunt_revision": before.revision}
    assert (await sidecar.single("text", **asked))[1]["value"] == "dark"
    assert next(f for f in (await sidecar.bulk({}, **asked))[1]["flags"] if f["key"] == "text")["value"] == "dark"
    assert (await sidecar.single("text"))[1]["value"] == "theme-2"
    sidecar.history.use(flag_set(text="theme-3"))
    assert (await sidecar.single("text", **asked))[1]["value"] == "theme-3"


async def test_route_header_and_application_never_disagree(sidecar: Sidecar) -> None:
    flags = sidecar.history.current
    decide = Asker(flags, sidecar.clock).decide
    for n in range(50):
        key = f"user-{n}"
        routed = decide("half", Request.of(), key.encode())
        _, told, _ = await sidecar.bulk({"targetingKey": key}, x_shunt_revision=flags.revision)
        in_bulk = next(flag for flag in told["flags"] if flag["key"] == "half")
        in_header = dict(headers_for(flags, ["half"], Context(key)))[b"x-shunt-variant"].decode()
        alone = (await sidecar.single("half", {"context": {"targetingKey": key}}))[1]
        assert routed == assign(flags, "half", Context(key))
        assert {routed.variant, in_bulk["variant"], in_header, alone["variant"]} == {routed.variant}


def test_nobody_is_told_two_things_however_often_flags_change() -> None:
    dice = random.Random(6)
    history, decide = History(flag_set()), Asker(flag_set(), lambda: 0.0).decide
    for n in range(20_000):
        if n % 100 == 0:
            history.use(flag_set(half=f"{dice.randint(0, 100)}%", text=dice.choice(["dark", "light"])))
            decide = Asker(history.current, lambda: 0.0).decide
        routed_at, key = history.current.revision, f"user-{dice.randint(0, 9_999)}"
        routed = decide("half", Request.of(), key.encode())
        if n % 7 == 0:
            # A change between the route and the application's own question.
            history.use(flag_set(half=f"{dice.randint(0, 100)}%"))
            decide = Asker(history.current, lambda: 0.0).decide
        flags = history.at(routed_at)
        header = dict(headers_for(flags, ["half"], Context(key)))
        alone = evaluated("half", assign(flags, "half", Context(key)))
        assert header[b"x-shunt-revision"].decode() == routed_at
        assert header[b"x-shunt-variant"].decode() == routed.variant == alone["variant"]
        if n % 10 == 0:
            in_bulk = json.loads(told_in_bulk(flags, Context(key)).body)["flags"]
            assert alone in in_bulk


def test_no_context_is_ever_answered_with_the_tag_of_another_answer() -> None:
    flags, told = flag_set(), {}
    for n in range(10_000):
        answer = told_in_bulk(flags, Context(f"user-{n}", {"plan": "pro" if n % 3 else "free"}))
        assert told.setdefault(answer.tag, answer.body) == answer.body
    assert len(told) == 4


async def test_what_is_asked_at_another_path_or_by_another_method_is_refused_in_json_too() -> None:
    async with serving() as sidecar:
        for method, path, status in (("POST", "/nope", 404), ("GET", "/ofrep/v1/evaluate/flags", 405)):
            async with sidecar.http.request(method, f"{sidecar.address}{path}") as answer:
                told = await answer.json()
                assert (answer.status, told["errorCode"]) == (status, "GENERAL")
                assert f"{method} {path}" in told["errorDetails"]
                assert answer.headers.get("allow") == ("POST" if status == 405 else None)
