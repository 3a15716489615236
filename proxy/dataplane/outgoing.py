"""Outgoing: what this instance adds to requests and responses, and what rules change in them."""

from __future__ import annotations

from binascii import hexlify
from ipaddress import ip_address
from typing import TYPE_CHECKING

from proxy.edits import HeadEdits
from proxy.errors import LoopDetected
from proxy.http1.forwarding import Networks, about_client, client_address, request_head
from proxy.rules import Edits, Rewrite

if TYPE_CHECKING:
    from proxy.dataplane.roles import Client
    from proxy.http1.request import RequestHead
    from proxy.model import Dice
    from proxy.plan import Plan
    from proxy.targets import Fleet


class Outgoing:
    """The words of one instance: its name in Via, whom it trusts, the ids that it makes."""

    __slots__ = ("_dice", "_max_hops", "_trusted", "_via", "_via_line", "via_name")

    def __init__(self, name: str, trusted: Networks, max_hops: int, dice: Dice) -> None:
        self.via_name = name.encode("ascii")
        self._via = b"1.1 " + self.via_name
        self._via_line = b"\r\nVia: " + self._via + b"\r\n"
        self._trusted = trusted
        self._max_hops = max_hops
        self._dice = dice

    def trusts(self, peer: str) -> bool:
        """Whether the X-Forwarded-* of this peer are believed; a Unix socket's peer is."""
        if not self._trusted:
            return False
        if not peer:
            return True
        address = ip_address(peer)
        return any(address in network for network in self._trusted)

    def client_of(self, peer: str, request: RequestHead) -> str:
        """The client's address after trusted-proxy evaluation."""
        told = request.forwarded
        if not told or b"x-forwarded-for" not in told:
            return peer
        return client_address(peer, told[b"x-forwarded-for"], self._trusted)

    def refuse_loop(self, request: RequestHead) -> None:
        """Raise LoopDetected for a request that came through here too often (RFC 9110 §7.6.3)."""
        if request.vias > self._max_hops:
            raise LoopDetected("the request goes round in a circle through this proxy")

    def new_id(self) -> bytes:
        """An id for a request that came without."""
        return b"%032x" % self._dice.getrandbits(128)

    @staticmethod
    def introduction(peer: str, scheme: bytes) -> bytes:
        """The beginning of `about`, the same for every request of one connection."""
        lines = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: "
        return lines % (peer.encode() or b"unix", scheme)

    def about(self, client: Client, request: RequestHead) -> bytes:
        """The lines about the client and the ids; a missing id is made and noted in the request."""
        if request.forwarded:
            lines = about_client(request, client.peer.encode() or b"unix", client.scheme, self._via)
        else:
            lines = b"".join((client.introduction, request.wire_host, self._via_line))
        has_id, has_trace = request.request_id, request.trace_id
        if has_id and has_trace:
            return lines
        made = hexlify(self._dice.getrandbits(192).to_bytes(24, "big"))
        fresh = made[:32]
        if not has_id:
            request.request_id = fresh
            lines = b"".join((lines, b"x-request-id: ", fresh, b"\r\n"))
        if not has_trace:
            # W3C Trace Context §3.2: a new trace; sampled, so that a parent-based sampler behaves as without a proxy.
            request.trace_id = fresh
            lines = b"".join((lines, b"traceparent: 00-", fresh, b"-", made[32:], b"-01\r\n"))
        return lines

    @staticmethod
    def head(request: RequestHead, plan: Plan, fleet: Fleet, about: bytes, extra: bytes = b"") -> bytes:
        """The head for a target, complete, after rewrite and edits."""
        lane = plan.lane
        rewrite = lane.rewrite
        if rewrite is None:
            head = request_head(request, about, extra)
        else:
            head = _rewritten_head(request, about, extra, lane.prefix, rewrite)
        if not lane.request_edits.is_empty or not fleet.request_edits.is_empty:
            head = fleet.request_edits.apply(lane.request_edits.apply(head))
        return head + b"\r\n"


def _rewritten_head(request: RequestHead, about: bytes, extra: bytes, prefix: bytes, rewrite: Rewrite) -> bytes:
    target = None
    if rewrite.prefix is not None:
        target = _rewritten(request.target, prefix, rewrite.prefix.encode("latin-1"))
    head = request_head(request, about, extra, target=target)
    if rewrite.host is not None:
        head = HeadEdits(Edits(set={"Host": rewrite.host})).apply(head)
    return head


def _rewritten(target: bytes, prefix: bytes, replacement: bytes) -> bytes:
    """The request-target with its matched prefix replaced; always one slash between the two."""
    prefix = prefix.rstrip(b"/")
    if not target.startswith(prefix):
        return target
    rest = target[len(prefix) :]
    if rest[:1] not in (b"/", b"?", b""):
        return target
    joined = replacement + rest if rest.startswith(b"?") else replacement.rstrip(b"/") + rest
    return joined if joined.startswith(b"/") else b"/" + joined
