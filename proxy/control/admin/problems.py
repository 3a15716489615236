"""Every error as RFC 9457 writes it: one place turns what went wrong into an answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.errors import ShuntError

MEDIA = "application/problem+json"
_BEYOND = {
    "less_than_equal": ("above", "le"),
    "less_than": ("not below", "lt"),
    "greater_than_equal": ("below", "ge"),
    "greater_than": ("not above", "gt"),
}
"""What pydantic calls a number out of its bounds: how people say it, and where it keeps the bound."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One value that is not valid."""

    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """RFC 9457, with the present revision, except to strangers, and the word for machines."""

    type: str
    title: str
    status: int
    detail: str
    revision: int
    errors: tuple[Fault, ...] = ()


class Refused(ShuntError):
    """A caller who may not ask."""

    status, word = 403, "forbidden"


class Unauthorized(Refused):
    """No token, or a wrong one."""

    status, word = 401, "unauthorized"


class Unreadable(ShuntError):
    """A body that is not JSON text."""

    status, word = 400, "bad_request"


class WrongMedia(ShuntError):
    """A body that does not call itself JSON. Also keeps out what a browser's form can send."""

    status, word = 415, "unsupported_media_type"


class TooManyListeners(ShuntError):
    """All places at the stream of events are taken."""

    status, word = 503, "overloaded"


def answering(revision: Callable[[], int]) -> Middleware:
    """The middleware that turns every error into a problem and puts the revision on every answer."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except ShuntError as error:
            response = _problem(error.status, error.word, str(error), revision())
            if error.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
        except ValidationError as error:
            response = _invalid(error, revision())
        except web.HTTPException as error:
            response = _problem(error.status, error.reason.lower().replace(" ", "_"), error.reason, revision())
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception:  # noqa: BLE001 - the one place that must answer whatever went wrong
            _log.exception("the admin API failed on %s %s", request.method, request.path)
            response = _problem(500, "internal", "this is a defect of Shunt; its log says more", revision())
        if not response.prepared:
            if response.status != 401:  # a stranger is not told how often anything changed
                response.headers["ETag"] = f'"{revision()}"'
                response.headers["x-shunt-revision"] = str(revision())
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return answer


def _invalid(error: ValidationError, revision: int) -> web.Response:
    found = error.errors(include_url=False)
    faults = tuple(Fault(path=".".join(str(part) for part in one["loc"]), message=_words(one)) for one in found)
    if any(one["type"] == "json_invalid" for one in found):
        return _problem(400, "bad_request", f"the body is not JSON: {faults[0].message}", revision)
    detail = "; ".join(f"{fault.path}: {fault.message}" if fault.path else fault.message for fault in faults)
    return _problem(422, "invalid", detail, revision, faults)


def _words(fault: ErrorDetails) -> str:
    """What is wrong, as a person would say it, where people err most: a number out of its bounds, a wrong name."""
    if fault["type"] == "extra_forbidden":
        return "there is no such field"
    beyond = _BEYOND.get(fault["type"])
    if beyond is None:
        return fault["msg"]
    said, bound = beyond
    number = fault["input"]
    return f"{f'{number:g}' if isinstance(number, float) else number} is {said} {fault['ctx'][bound]:g}"


def _problem(status: int, word: str, detail: str, revision: int, errors: tuple[Fault, ...] = ()) -> web.Response:
    title = word.replace("_", " ")
    problem = Problem(
        type=f"urn:shunt:error:{word}", title=title, status=status, detail=detail, revision=revision, errors=errors
    )
    told = asdict(problem)
    if status == 401:
        del told["revision"]
    return web.Response(status=status, body=json.dumps(told).encode(), content_type=MEDIA)
