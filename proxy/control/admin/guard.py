"""Who may ask: whoever has the token, or is on this host and no stranger's web page."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.control.addresses import Place
from proxy.control.admin.problems import Refused, Unauthorized
from proxy.errors import Invalid

TOKEN_ENVIRONMENT = "SHUNT_ADMIN_TOKEN"


def find_token(file: str, environment: str, setting: str = "admin_token_file") -> str:
    """The secret from the file that a setting names, else from the environment; "" when there is none."""
    if not file:
        return environment.strip()
    try:
        token = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{setting}: cannot be read: {error}") from error
    if not token:
        raise Invalid(f"{setting}: {file} is empty")
    return token


def check_place(place: Place, token: str) -> None:
    """Raise Invalid when strangers could reach the admin API without a token."""
    if not place.is_private and not token:
        raise Invalid(
            f"admin: {place.host or '*'}:{place.port} can be reached from other hosts, so it needs a token: set "
            f"admin_token_file or {TOKEN_ENVIRONMENT}, or listen on 127.0.0.1 or a Unix socket"
        )


def guarding(place: Place, token: str) -> Middleware:
    """The middleware that lets nobody in who may not ask."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_origin(request)
        if token:
            _check_token(request, token)
        elif not place.unix:
            _check_host(request)
        return await handler(request)

    return guard


def _check_token(request: web.Request, token: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not is_right:
        raise Unauthorized("this admin API wants its token: Authorization: Bearer …")


def _check_origin(request: web.Request) -> None:
    # A browser says where a request comes from: Origin (RFC 6454 §7), and newer ones Sec-Fetch-Site.
    origin = request.headers.get("Origin")
    if origin is not None and _netloc(origin) != request.headers.get("Host", "").lower():
        raise Refused(f"requests from the web page {origin[:100]!r} are refused")
    if request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin"):
        raise Refused("requests from another site's web page are refused")


def _netloc(origin: str) -> str | None:
    """The host and port of an origin; None for `null` and what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _check_host(request: web.Request) -> None:
    # DNS rebinding makes a browser send a stranger's name to this address; an address or localhost cannot be rebound.
    host = request.headers.get("Host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower() == "localhost":
        return
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        raise Refused(f"the host {host[:100]!r} is not this admin API's: use its address or localhost") from None
