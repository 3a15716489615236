"""OFREP: the application asks with its own OpenFeature SDK, and is told what the route was told.

OpenFeature Remote Evaluation Protocol 0.3.0 (github.com/open-feature/protocol, service/openapi.yaml).
A request that carries the `x-shunt-revision` of the request being served is answered at that revision.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from aiohttp import web

from proxy.flags.flag import Context, Decision, ErrorCode
from proxy.flags.flagset import FlagSet, History, assign
from proxy.flags.plain import json_value

REVISION = "x-shunt-revision"
SINGLE = "/ofrep/v1/evaluate/flags/{key:.+}"
BULK = "/ofrep/v1/evaluate/flags"
MAX_BODY_BYTES = 1 << 20

Clock = Callable[[], float]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask, and how often. `key` "" lets everybody ask; `per_second` 0 as often as they like."""

    key: str = ""
    per_second: float = 0.0


class Allowance:
    """A token bucket of one second: so many requests at once, and so many a second from then on."""

    __slots__ = ("_at", "_clock", "_left", "_per_second")

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._left = max(1.0, per_second)
        self._at = clock()

    def wait_seconds(self) -> float:
        """Count a request and return 0, or the seconds after which there is room for one."""
        now = self._clock()
        self._left = min(max(1.0, self._per_second), self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._per_second
        self._left -= 1
        return 0.0


class Refused(Exception):
    """The request's body is at fault."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.code: ErrorCode = code
        self.details = details


class Ofrep:
    """The two endpoints over a history of flag sets.

    `now` is monotonic, for the rate limit; `wall_clock` gives Unix seconds, for `$flagd.timestamp`.
    """

    def __init__(self, history: Callable[[], History], access: Access, *, now: Clock, wall_clock: Clock) -> None:
        self._history = history
        self._access = access
        self._allowance = Allowance(access.per_second, now) if access.per_second else None
        self._wall_clock = wall_clock

    def app(self) -> web.Application:
        """The application to run on a listener of its own."""
        app = web.Application(middlewares=[self._guarded], client_max_size=MAX_BODY_BYTES)
        app.router.add_post(BULK, self._bulk)
        app.router.add_post(SINGLE, self._single)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._access.key:
            given = _credential(request.headers)
            if not hmac.compare_digest(given.encode(errors="replace"), self._access.key.encode()):
                return web.Response(status=401, headers={"www-authenticate": "Bearer"})
        wait_seconds = self._allowance.wait_seconds() if self._allowance else 0.0
        if wait_seconds > 0:
            return web.Response(status=429, headers={"retry-after": str(math.ceil(wait_seconds))})
        try:
            return await handler(request)
        except web.HTTPClientError as elsewhere:  # the router's 404 and 405
            details = f"{request.method} {request.path}: {elsewhere.reason}; flags are evaluated by POST {BULK}[/key]"
            allow = {"allow": elsewhere.headers["allow"]} if "allow" in elsewhere.headers else None
            return _answer(elsewhere.status, {"errorCode": "GENERAL", "errorDetails": details}, allow)

    async def _single(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        try:
            context = context_of(await _body(request), int(self._wall_clock()))
        except Refused as refused:
            return _answer(400, {"key": key, "errorCode": refused.code, "errorDetails": refused.details})
        flags = self._history().at(request.headers.get(REVISION))
        told = evaluated(key, assign(flags, key, context))
        code = told.get("errorCode")
        status = 200 if code is None else 404 if code == "FLAG_NOT_FOUND" else 400
        return _answer(status, told, {REVISION: flags.revision})

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        try:
            context = context_of(await _body(request), int(self._wall_clock()))
        except Refused as refused:
            return _answer(400, {"errorCode": refused.code, "errorDetails": refused.details})
        flags = self._history().at(request.headers.get(REVISION))
        told = told_in_bulk(flags, context)
        headers = {"etag": told.tag, REVISION: flags.revision}
        if is_known(told.tag, request.headers.getall("if-none-match", [])):
            return web.Response(status=304, headers=headers)
        return web.Response(body=told.body, content_type="application/json", headers=headers)


# --- what is asked ------------------------------------------------------------------------


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused("PARSE_ERROR", f"the body is longer than {MAX_BODY_BYTES} bytes") from None


def context_of(body: bytes, timestamp: int) -> Context:
    """The evaluation context of a request's body, an empty one where there is none; Refused otherwise."""
    try:
        tree = json_value(body.decode()) if body.strip() else {}
    except ValueError as fault:
        raise Refused("PARSE_ERROR", f"the body {fault}") from fault
    if not isinstance(tree, dict):
        raise Refused("PARSE_ERROR", "the body is not a JSON object")
    attributes = tree.get("context")
    if attributes is None:
        attributes = {}
    if not isinstance(attributes, dict):
        raise Refused("INVALID_CONTEXT", "`context` is not an object")
    targeting_key = attributes.get("targetingKey")
    if targeting_key is not None and not isinstance(targeting_key, str):
        raise Refused("INVALID_CONTEXT", "`targetingKey` is not a text")
    return Context(targeting_key, attributes, timestamp)


def is_known(tag: str, if_none_match: list[str]) -> bool:
    """Whether `If-None-Match` names the tag; compared weakly (RFC 9110 §13.1.2)."""
    given = {each.strip().removeprefix("W/") for field in if_none_match for each in field.split(",")}
    return tag in given or "*" in given


def _credential(headers: Mapping[str, str]) -> str:
    """What `X-API-Key` or `Authorization: Bearer` says, "" if neither is there."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key", token.strip() if scheme.lower() == "bearer" else "")


# --- what is answered ---------------------------------------------------------------------


class Told(NamedTuple):
    """A body and its entity tag."""

    body: bytes
    tag: str


def told_in_bulk(flags: FlagSet, context: Context) -> Told:
    """Every flag for this context, by name.

    The tag covers the whole body: what changed only for others gives no new one, another answer always does.
    """
    told: dict[str, object] = {"flags": [evaluated(key, assign(flags, key, context)) for key in sorted(flags.flags)]}
    if flags.metadata:
        told["metadata"] = dict(flags.metadata)
    body = json.dumps(told).encode()
    return Told(body, f'"{sha256(body).hexdigest()}"')


def evaluated(key: str, decision: Decision) -> dict[str, object]:
    """One flag as OFREP tells it. `variant` and `errorDetails` are always there: SDKs rely on them."""
    metadata: dict[str, object] = {"metadata": dict(decision.flag_metadata)} if decision.flag_metadata else {}
    if decision.error is not None:
        return {"key": key, "errorCode": decision.error.code, "errorDetails": decision.error.details, **metadata}
    told: dict[str, object] = {"key": key, "reason": _reason(decision), "variant": decision.variant or "", **metadata}
    # No value: the application's own default holds (`codeDefaultFlag`).
    return told if decision.value is None else {**told, "value": decision.value}


def _reason(decision: Decision) -> str:
    """OFREP's reasons are STATIC, TARGETING_MATCH, SPLIT, DISABLED and UNKNOWN; it has no DEFAULT."""
    if decision.reason != "DEFAULT":
        return decision.reason
    return "UNKNOWN" if decision.value is None else "STATIC"


def _answer(status: int, told: dict[str, object], headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=json.dumps(told).encode(), content_type="application/json", headers=headers)
