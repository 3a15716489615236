"""Where the control plane listens: `host:port`, `[v6]:port` or `unix:/path`."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from contextlib import suppress
from typing import NamedTuple

from proxy.errors import Invalid

BACKLOG = 128


class Place(NamedTuple):
    """`unix` is a path, or "" and host and port count."""

    host: str
    port: int
    unix: str = ""

    @classmethod
    def parse(cls, text: str) -> Place:
        """A place from its text; Invalid otherwise."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:").removeprefix("//")
            if path:
                return cls("", 0, path)
        host, colon, port = text.rpartition(":")
        if colon and port.isascii() and port.isdigit() and int(port) < 65536 and host.count(":") in (0, *range(2, 8)):
            return cls(host.strip("[]"), int(port))
        raise Invalid(f"{text!r} is not an address such as 127.0.0.1:9901, [::1]:9901 or unix:/run/shunt.sock")

    @property
    def is_private(self) -> bool:
        """Whether only this host can reach it."""
        if self.unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def listen(self) -> socket.socket:
        """A listening socket; OSError when the place is taken. A Unix socket is for its owner alone."""
        if self.unix:
            return _listen_unix(self.unix)
        infos = socket.getaddrinfo(self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = infos[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def leave(self) -> None:
        """Remove the Unix socket's name; nothing otherwise."""
        if self.unix:
            with suppress(FileNotFoundError):
                os.unlink(self.unix)


def text_of(listener: socket.socket) -> str:
    """The address of a listening socket, as it is written."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def _listen_unix(path: str) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode counts from the first moment on: nobody else may connect in between.
        former = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(former)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody answers any more; one that is alive stays, and its place is taken."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        if caller.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)
