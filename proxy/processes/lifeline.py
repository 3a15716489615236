"""A lifeline joins the supervisor and one child; when one side's end closes, the other knows it is alone.

Messages are short lines of words, one per packet, and may carry descriptors. Standard library only:
the supervisor loads this.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_MESSAGE_BYTES = 16 << 10
_MOST_DESCRIPTORS = 250  # below SCM_MAX_FD, see unix(7)


class Message(NamedTuple):
    """One packet; the receiver owns the descriptors."""

    word: str
    rest: tuple[str, ...] = ()
    descriptors: tuple[int, ...] = ()


class Lifeline:
    """One end. Never blocks: a peer that has stopped reading loses messages, and `tell` says so."""

    __slots__ = ("_socket",)

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end

    @classmethod
    def pair(cls) -> tuple[Lifeline, Lifeline]:
        """Two ends; packets keep their borders, so descriptors stay with their message."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def from_descriptor(cls, number: int) -> Lifeline:
        """The end that a child was started with; its own children shall not have it."""
        os.set_inheritable(number, False)
        return cls(socket.socket(fileno=number))

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._socket.fileno()

    def tell(self, word: str, *rest: object, descriptors: Sequence[int] = ()) -> bool:
        """Send one message; False when the peer is gone or does not read."""
        packet = "\n".join((word, *map(str, rest))).encode()
        try:
            socket.send_fds(self._socket, [packet], descriptors)
        except OSError:
            return False
        return True

    def hear(self) -> Iterator[Message]:
        """All messages that wait; EOFError at the end of the line."""
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._socket, _MESSAGE_BYTES, _MOST_DESCRIPTORS)
            except BlockingIOError:
                return
            except OSError as broken:
                raise EOFError("the lifeline is broken") from broken
            if not packet:
                raise EOFError("the lifeline has ended")
            word, *rest = packet.decode().split("\n")
            yield Message(word, tuple(rest), tuple(descriptors))

    def close(self) -> None:
        """Let go; the other side hears the end."""
        with contextlib.suppress(OSError):
            self._socket.close()
