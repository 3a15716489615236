"""Talking to the admin API, by the standard library alone: it starts fast and knows Unix sockets."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn
from urllib.parse import urlencode

import click

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

INCOMPLETE = 3
"""The exit code when a bound was reached. The others: 0 done, 1 refused, 2 invalid, 4 unreachable."""

DEFAULT_ADMIN = "127.0.0.1:9901"
ANSWER_SECONDS = 10.0
"""How long an answer may take beyond what the verb itself waits."""


class Refused(click.ClickException):
    """The admin API says no; nothing was changed."""

    exit_code = 1


class Misused(click.ClickException):
    """A value that is not valid."""

    exit_code = 2


class Unreachable(click.ClickException):
    """No admin API answers there."""

    exit_code = 4


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """The admin API at `host:port`, `http://host:port` or `unix:/path`."""

    def __init__(self, admin: str, token: str = "") -> None:
        self._admin = admin
        self._token = token

    def get(self, path: str, **query: str | int | list[str] | None) -> dict[str, Json]:
        """What the API shows."""
        return _mapping(self._ask("GET", path, query)[1])

    def text(self, path: str) -> str:
        """The same, not read as JSON."""
        return self._ask("GET", path, {})[1].decode()

    def post(self, path: str, said: Mapping[str, Json], wait_seconds: float = 0.0) -> dict[str, Json]:
        """Change something, or ask with a body; an answer may take `wait_seconds` longer."""
        return _mapping(self._ask("POST", path, {}, said, wait_seconds)[1])

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | list[str] | None],
        said: Mapping[str, Json] | None = None,
        wait_seconds: float = 0.0,
    ) -> tuple[int, bytes]:
        asked = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        body = None if said is None else json.dumps(said)
        with self._connection(ANSWER_SECONDS + wait_seconds) as connection:
            connection.request(method, f"{path}?{asked}" if asked else path, body, self._headers(method))
            answer = connection.getresponse()
            content = answer.read()
        if answer.status >= 400:
            _fail(answer.status, content)
        return answer.status, content

    def _headers(self, method: str) -> dict[str, str]:
        headers = {"Accept": "*/*"}
        if method == "POST":
            headers["Content-Type"] = "application/json"
            headers["x-shunt-who"] = _who()
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    @contextmanager
    def _connection(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        if self._admin.startswith("unix:"):
            path = self._admin.removeprefix("unix:").removeprefix("//")
            connection: http.client.HTTPConnection = _UnixConnection(path, timeout)
        else:
            try:
                connection = http.client.HTTPConnection(
                    self._admin.removeprefix("http://").rstrip("/"), timeout=timeout
                )
            except http.client.InvalidURL as error:
                raise click.BadParameter(str(error), param_hint="--admin") from error
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"no answer from the admin API at {self._admin}: {reason}") from error
        finally:
            connection.close()


def _mapping(content: bytes) -> dict[str, Json]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise Unreachable(f"this is not an admin API of Shunt: {error}") from error
    if not isinstance(found, dict):
        raise Unreachable("this is not an admin API of Shunt")
    return found


def _fail(status: int, content: bytes) -> NoReturn:
    try:
        problem = json.loads(content)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        raise Unreachable(f"this is not an admin API of Shunt: it answered {status}") from None
    if status in (400, 413, 415, 422):
        raise Misused(detail)
    raise Refused(detail) if status < 500 else Unreachable(detail)


def _who() -> str:
    """user@host in printable ASCII, for the ledger."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    named = f"{user}@{socket.gethostname()}"
    return "".join(letter if "!" <= letter <= "~" else "_" for letter in named)[:200]
