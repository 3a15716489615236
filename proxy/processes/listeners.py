"""Listening sockets: one per worker slot, all on one port, and nobody else's.

A slot's socket lives as long as the supervisor, so connections that wait in it survive its worker.
Standard library only: the supervisor loads this.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from proxy.errors import ShuntError

BACKLOG = 4096
"""The kernel lowers it to net.core.somaxconn."""


class Taken(ShuntError):
    """Somebody else listens there, or the address cannot be had; the message says which and why."""

    word = "taken"


def parse(address: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`; ValueError otherwise."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is not an address such as 127.0.0.1:8080, [::1]:8080 or unix:/run/shunt.sock")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{address!r}: an IPv6 address needs brackets, such as [::1]:8080")
    return host.strip("[]") or "0.0.0.0", int(port)


def open_group(address: str, slots: int) -> list[socket.socket]:
    """One listening socket per slot, or raise Taken; port 0 takes one free port for all of them.

    A Unix listener is one socket, given once: all workers share it.
    """
    try:
        if address.startswith("unix:"):
            return [_open_unix(_path(address))]
        return _open_tcp(*parse(address), slots)
    except OSError as refused:
        raise Taken(f"cannot listen on {address}: {refused.strerror or refused}") from refused
    except ValueError as wrong:
        raise Taken(str(wrong)) from wrong


def open_private(address: str) -> socket.socket:
    """A single listening socket for operators, or raise Taken; a Unix one is for its owner alone."""
    before = os.umask(0o177) if address.startswith("unix:") else None
    try:
        return open_group(address, 1)[0]
    finally:
        if before is not None:
            os.umask(before)


def url(listener: socket.socket) -> str:
    """Where people reach it: `http://host:port` or `unix:/path`."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def forget_path(listener: socket.socket) -> None:
    """Remove the file of a Unix listener; other sockets have none."""
    if listener.family == socket.AF_UNIX:
        with contextlib.suppress(OSError):
            os.unlink(listener.getsockname())


def _path(address: str) -> str:
    return address.removeprefix("unix:").removeprefix("//")


def _open_tcp(host: str, port: int, slots: int) -> list[socket.socket]:
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    first = socket.socket(family, socket.SOCK_STREAM)
    group = [first]
    try:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Without SO_REUSEPORT this bind fails if anybody listens there, whatever their options; Linux lets the
        # option be set afterwards, so the proof and the first slot are one socket and no gap lies between them.
        first.bind(where)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for _ in range(slots - 1):
            another = socket.socket(family, socket.SOCK_STREAM)
            group.append(another)
            another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            another.bind(first.getsockname())
        for listener in group:
            listener.listen(BACKLOG)
            listener.setblocking(False)
    except OSError:
        for listener in group:
            listener.close()
        raise
    return group


def _open_unix(path: str) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove the socket file of a listener that is no more; one that answers stays, and bind will refuse."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return
