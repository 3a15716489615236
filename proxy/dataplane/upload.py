"""An upload: the request's body on its way to the target, with a short memory for another try."""

from __future__ import annotations

from proxy.dataplane.retry import REPLAY_BYTES
from proxy.dataplane.roles import Exchanging
from proxy.dataplane.upstream import TargetConnection
from proxy.errors import BadRequest, BodyTooLarge
from proxy.http1.body import CHUNKED, BadBody, body_of, chunk, last_chunk


class Upload:
    """Reads a request's body from the client, frames it anew, and keeps up to REPLAY_BYTES of it."""

    __slots__ = (
        "_body",
        "_connection",
        "_exchange",
        "_is_chunked",
        "_kept",
        "_kept_bytes",
        "_limit_bytes",
        "payload_bytes",
    )

    def __init__(self, exchange: Exchanging, limit_bytes: int, trailer_bytes: int) -> None:
        length = exchange.request.length
        if limit_bytes and length > limit_bytes:
            raise BodyTooLarge(f"the request's body is longer than {limit_bytes} bytes")
        self._exchange = exchange
        self._body = body_of(length, trailer_bytes)
        self._is_chunked = length == CHUNKED
        self._limit_bytes = limit_bytes
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0
        self._connection: TargetConnection | None = None
        self.payload_bytes = 0

    @property
    def is_done(self) -> bool:
        """Whether the whole body has come."""
        return self._body.done

    @property
    def is_replayable(self) -> bool:
        """Whether all that has come is still at hand."""
        return self._kept is not None

    def start(self, connection: TargetConnection, head: bytes) -> None:
        """Send the head and what is at hand; more follows as it comes."""
        self._connection = connection
        assert self._kept is not None
        self._exchange.client.resume_reading()
        connection.transport.write(b"".join((head, *self._kept)))  # which may hold the client back at once
        self._forget_if_long()

    def stop(self) -> None:
        """The connection is gone; what comes is kept for the next one."""
        self._connection = None

    def feed(self, received: bytes) -> bytes:
        """Pass on what belongs to the body; return what is behind it."""
        try:
            payload, rest = self._body.feed(received)
        except BadBody as fault:
            self._exchange.fail_upload(BadRequest(f"malformed request: {fault}"))
            return b""
        self.payload_bytes += len(payload)
        if self._limit_bytes and self.payload_bytes > self._limit_bytes:
            self._exchange.fail_upload(BodyTooLarge(f"the request's body is longer than {self._limit_bytes} bytes"))
            return b""
        if payload:
            for copy in self._exchange.copies:
                copy.feed(payload)
        self._pass_on(payload)
        return rest

    def _pass_on(self, payload: bytes) -> None:
        if self._body.done:
            for copy in self._exchange.copies:
                copy.complete(self._body.trailers)
        wire = payload
        if self._is_chunked:
            wire = chunk(payload) if payload else b""
            if self._body.done:
                wire += last_chunk(self._body.trailers)
        if not wire:
            return
        if self._kept is not None:
            self._kept.append(wire)
            self._kept_bytes += len(wire)
        connection = self._connection
        if connection is None:
            if self._kept_bytes > REPLAY_BYTES and not self._body.done:
                self._exchange.client.pause_reading()  # nowhere to send it yet
        elif not connection.transport.is_closing():
            connection.transport.write(wire)
            self._forget_if_long()

    def _forget_if_long(self) -> None:
        if self._kept_bytes > REPLAY_BYTES:
            self._kept = None
