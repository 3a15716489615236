"""A download: the response on its way to the client, framed as the client understands it."""

from __future__ import annotations

from proxy.dataplane.roles import Exchanging
from proxy.http1.body import UNTIL_CLOSE, BadBody, body_of, chunk, last_chunk
from proxy.http1.forwarding import response_head
from proxy.http1.response import ResponseHead


class Download:
    """Reads a response's body from the target and writes it to the client; never makes a short one look whole."""

    __slots__ = ("_body", "_exchange", "_head", "_is_chunked", "_response", "ends_with_connection")

    def __init__(self, exchange: Exchanging, response: ResponseHead, trailer_bytes: int, *, keeps_client: bool) -> None:
        self._exchange = exchange
        self._response = response
        self._body = body_of(response.length, trailer_bytes) if response.length else None
        self.ends_with_connection = response.length == UNTIL_CLOSE
        # RFC 9112 §7: no chunks to an HTTP/1.0 client; its body ends with the connection.
        self._is_chunked = response.length < 0 and not exchange.request.is_http10
        if response.length < 0 and not self._is_chunked:
            keeps_client = False
            exchange.closes_client()
        self._head = answer_head(exchange, response, keeps_client=keeps_client, chunked=self._is_chunked)

    @property
    def is_delimited(self) -> bool:
        """Whether the client sees by the framing that a body is cut short."""
        return self._is_chunked or self._response.length >= 0

    def start(self, rest: bytes) -> None:
        """Write the head and the beginning of the body; raises BadBody, and nothing written, if that is broken."""
        if rest:
            self._pass_on(rest, self._head)
        else:
            self._write(self._head, 0)

    def feed(self, received: bytes) -> None:
        """Pass on a piece of the body."""
        try:
            self._pass_on(received, b"")
        except BadBody:
            self._exchange.broke_off()

    def _pass_on(self, received: bytes, before: bytes) -> None:
        body = self._body
        assert body is not None
        payload, rest = body.feed(received)
        wire = payload
        if self._is_chunked:
            wire = chunk(payload) if payload else b""
            if body.done:
                wire += last_chunk(body.trailers)
        if before or wire:
            self._write(before + wire if before else wire, len(payload))
        if body.done:
            self._exchange.finished(is_reusable=self._response.keep_alive and not rest)
        else:
            self._exchange.touched()

    def finish(self) -> None:
        """The target closed its side, and that is how this body ends."""
        if self._is_chunked:
            self._write(last_chunk(), 0)
        self._exchange.finished(is_reusable=False)

    def _write(self, wire: bytes, payload_bytes: int) -> None:
        self._exchange.outcome.bytes_out += payload_bytes
        self._exchange.client.write(wire)


def answer_head(exchange: Exchanging, response: ResponseHead, *, keeps_client: bool, chunked: bool = False) -> bytes:
    """The head for the client, with what the connection and the plan add."""
    plan, fleet = exchange.plan, exchange.fleet
    assert plan is not None
    assert fleet is not None
    extra = b""
    if plan.lane.expose_version:
        extra = b"x-shunt-version: " + fleet.version.encode() + b"\r\n"
    if plan.minted is not None:
        secure = b"; Secure" if exchange.request.secure else b""
        extra += b"Set-Cookie: shunt_id=%b; Path=/; HttpOnly; SameSite=Lax%b\r\n" % (plan.minted, secure)
    if chunked:
        extra += b"Transfer-Encoding: chunked\r\n"
    if not keeps_client:
        extra += b"Connection: close\r\n"
    elif exchange.request.is_http10:
        extra += b"Connection: keep-alive\r\n"
    head = response_head(response, extra)
    if not plan.lane.response_edits.is_empty or not fleet.response_edits.is_empty:
        head = fleet.response_edits.apply(plan.lane.response_edits.apply(head[:-2])) + b"\r\n"
    return head
