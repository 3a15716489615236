"""Outgoing: what this instance adds to requests and responses, and what rules change in them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from proxy.edits import HeadEdits
from proxy.errors import LoopDetected
from proxy.http1.forwarding import Networks, about_client, client_address, request_head
from proxy.rules import Edits

if TYPE_CHECKING:
    from proxy.http1.request import RequestHead
    from proxy.model import Dice
    from proxy.plan import Plan
    from proxy.targets import Fleet


class Outgoing:
    """The words of one instance: its name in Via, whom it trusts, the ids that it makes."""

    __slots__ = ("_dice", "_max_hops", "_trusted", "_via", "via_name")

    def __init__(self, name: str, trusted: Networks, max_hops: int, dice: Dice) -> None:
        self.via_name = name.encode("ascii")
        self._via = b"1.1 " + self.via_name
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

    def about(self, peer: str, scheme: bytes, request: RequestHead) -> bytes:
        """The lines about the client and the ids; a missing id is made and noted in the request."""
        lines = about_client(request, peer.encode() or b"unix", scheme, self._via)
        if request.request_id and request.trace_id:
            return lines
        made = b"%048x" % self._dice.getrandbits(192)
        if not request.request_id:
            request.request_id = made[:32]
            lines += b"x-request-id: %b\r\n" % made[:32]
        if not request.trace_id:
            # W3C Trace Context §3.2: a new trace; sampled, so that a parent-based sampler behaves as without a proxy.
            request.trace_id = made[:32]
            lines += b"traceparent: 00-%b-%b-01\r\n" % (made[:32], made[32:])
        return lines

    @staticmethod
    def head(request: RequestHead, plan: Plan, fleet: Fleet, about: bytes, extra: bytes = b"") -> bytes:
        """The head for a target, complete, after rewrite and edits."""
        lane = plan.lane
        rewrite = lane.rewrite
        target = None
        if rewrite is not None and rewrite.prefix is not None:
            target = _rewritten(request.target, lane.prefix, rewrite.prefix.encode("latin-1"))
        head = request_head(request, about, extra, target=target)
        if rewrite is not None and rewrite.host is not None:
            head = HeadEdits(Edits(set={"Host": rewrite.host})).apply(head)
        if lane.request_edits or fleet.request_edits:
            head = fleet.request_edits.apply(lane.request_edits.apply(head))
        return head + b"\r\n"


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
