"""Listening sockets: proved ours, shared by slots, kept apart from strangers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.processes.listeners import Taken, forget_path, open_group, parse, url


@contextlib.contextmanager
def opened(address: str, slots: int = 1) -> Iterator[list[socket.socket]]:
    group = open_group(address, slots)
    try:
        yield group
    finally:
        for listener in group:
            listener.close()


def accepted(listener: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def test_port_zero_takes_one_free_port_for_the_whole_group() -> None:
    with opened("127.0.0.1:0", slots=4) as group:
        assert len({listener.getsockname() for listener in group}) == 1


def test_connections_are_spread_over_the_slots() -> None:
    with opened("127.0.0.1:0", slots=2) as group, contextlib.ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(socket.create_connection(group[0].getsockname()))
        counts = [accepted(listener) for listener in group]
        assert sum(counts) == 100
        assert min(counts) > 0


def test_a_taken_port_is_an_error_even_when_its_owner_would_share_it() -> None:
    with opened("127.0.0.1:0", slots=2) as group:
        port = group[0].getsockname()[1]
        with pytest.raises(Taken, match=f"127.0.0.1:{port}"):
            open_group(f"127.0.0.1:{port}", 2)


def test_nobody_can_take_a_port_that_is_ours() -> None:
    with opened("127.0.0.1:0") as group, socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(group[0].getsockname())


def test_a_unix_listener_is_one_socket_for_all_workers_and_leaves_no_file(tmp_path: Path) -> None:
    with opened(f"unix:{tmp_path}/s.sock", slots=3) as group:
        assert len(group) == 1
        assert url(group[0]) == f"unix:{tmp_path}/s.sock"
        forget_path(group[0])
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_dead_unix_listener_is_replaced(tmp_path: Path) -> None:
    with opened(f"unix:{tmp_path}/s.sock"):
        pass
    with opened(f"unix:{tmp_path}/s.sock") as group:
        assert group[0].getsockname() == f"{tmp_path}/s.sock"


def test_a_living_unix_listener_is_never_replaced(tmp_path: Path) -> None:
    with opened(f"unix:{tmp_path}/s.sock"), pytest.raises(Taken):
        open_group(f"unix:{tmp_path}/s.sock", 1)


def test_addresses_are_read_as_people_write_them() -> None:
    assert parse("127.0.0.1:80") == ("127.0.0.1", 80)
    assert parse("[::1]:80") == ("::1", 80)
    assert parse(":80") == ("0.0.0.0", 80)


@pytest.mark.parametrize("wrong", ["80", "host:http", "::1:80", "host:70000", ""])
def test_what_is_no_address_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(Taken, match=r"is not an address|needs brackets"):
        open_group(wrong, 1)
