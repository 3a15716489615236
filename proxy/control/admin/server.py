"""The admin API on its socket: read what is said, do it, answer with the revision."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.control.addresses import Place, text_of
from proxy.control.admin.guard import check_place, guarding
from proxy.control.admin.inputs import Change, Input
from proxy.control.admin.openapi import document
from proxy.control.admin.operations import OPERATIONS, Desk, Operation
from proxy.control.admin.problems import TooManyListeners, Unreadable, WrongMedia, answering
from proxy.control.events import Event, Listener
from proxy.errors import Invalid

BODY_BYTES = 5 << 20
LINE_BYTES = 512 << 10
"""Room for the longest question that `explain` allows in a query."""
CLOSE_SECONDS = 2.0
"""How long answers on their way may take when the brain leaves; the supervisor waits no longer than five."""
COMMENT_SECONDS = 15.0
"""A stream says something at least so often, so that a dead reader is noticed."""
_WHO = re.compile(r"[!-~]{1,200}")
_IF_MATCH = re.compile(r'(?:W/)?"(\d{1,9})"')


class Admin:
    """The admin API of one desk at one address; Invalid when the address would let strangers in."""

    def __init__(self, desk: Desk, address: str, token: str = "") -> None:
        self._desk = desk
        self._place = Place.parse(address)
        check_place(self._place, token)
        self._token = token
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen, and return the address; OSError when it is taken."""
        listener = self._place.listen()
        self._runner = self.runner()
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return text_of(listener)

    async def close(self) -> None:
        """End the streams, finish what is being answered, close."""
        self._desk.control.events.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._place.leave()

    def runner(self) -> web.AppRunner:
        """What serves the application, with the limits that it needs; for whoever brings a socket of his own."""
        return web.AppRunner(self.app(), access_log=None, shutdown_timeout=CLOSE_SECONDS, max_line_size=LINE_BYTES)

    def app(self) -> web.Application:
        """The application: every line of the table, the document, the events."""
        store = self._desk.control
        middlewares = [answering(lambda: store.store.revision), guarding(self._place, self._token)]
        app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES)
        for operation in OPERATIONS:
            app.router.add_route(operation.method, operation.path, self._handler(operation))
        app.router.add_route("GET", "/v1/events", self._stream)
        app.router.add_route("GET", "/v1/openapi.json", self._document)
        return app

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            said = await _said(operation, request)
            gives = await operation.run(self._desk, said, _who(request))
            if operation.media != "application/json":
                return web.Response(text=str(gives), content_type=operation.media)
            return web.Response(body=operation.gives.dump_json(gives), content_type=operation.media)

        return handle

    async def _document(self, request: web.Request) -> web.StreamResponse:
        written = document(OPERATIONS, has_token=bool(self._token))
        return web.Response(body=json.dumps(written).encode(), content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        control = self._desk.control
        if control.events.is_full:
            raise TooManyListeners("too many listen already")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        response.headers["x-shunt-revision"] = str(control.store.revision)
        with control.events.listen() as listener, suppress(ConnectionError):
            await response.prepare(request)
            hello = Event("hello", control.store.revision, None)
            await response.write(_written(hello))
            await _pour(listener, response)
        return response


async def _pour(listener: Listener, response: web.StreamResponse) -> None:
    """Write every event until the listener is cut off or the reader leaves."""
    while True:
        try:
            event = await asyncio.wait_for(listener.next(), COMMENT_SECONDS)
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        if event is None:
            return
        await response.write(_written(event))


def _written(event: Event) -> bytes:
    text = json.dumps({"revision": event.revision, "value": event.value})
    return f"event: {event.name}\nid: {event.revision}\ndata: {text}\n\n".encode()


async def _said(operation: Operation, request: web.Request) -> Input:
    if operation.method == "GET":
        return operation.takes.model_validate(_query(operation, request))
    if request.content_type != "application/json":
        raise WrongMedia("the body must be JSON: Content-Type: application/json")
    body = await request.read()
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"the body is not UTF-8: {error}") from None
    said = operation.takes.model_validate_json(body, strict=True)
    if isinstance(said, Change) and "If-Match" in request.headers:
        return said.model_copy(update={"expecting": _if_match(request, said.expecting)})
    return said


def _if_match(request: web.Request, expecting: int | None) -> int:
    given = _IF_MATCH.fullmatch(request.headers["If-Match"].strip())
    if given is None:
        raise Invalid('If-Match must name one revision, such as "7"')
    revision = int(given[1])
    if expecting not in (None, revision):
        raise Invalid("If-Match and expecting name different revisions")
    return revision


def _query(operation: Operation, request: web.Request) -> dict[str, str | list[str]]:
    said: dict[str, str | list[str]] = dict(request.match_info)
    for name in request.query:
        values = request.query.getall(name)
        field = operation.takes.model_fields.get(name)
        is_list = field is not None and "list[" in str(field.annotation)
        said[name] = list(values) if is_list or len(values) > 1 else values[0]
    return said


def _who(request: web.Request) -> str:
    named = request.headers.get("x-shunt-who")
    if named is not None and request.method == "POST":
        if not _WHO.fullmatch(named):
            raise Invalid("x-shunt-who must be one word of at most 200 printable letters, such as ann@desk")
        return named
    return "token" if "Authorization" in request.headers else str(request.remote or "local")
