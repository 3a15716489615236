"""A request's head: refused when it is ambiguous, else read where it lies and forwarded as it came.

Laws of this file: (1) one head, one meaning (RFC 9112 §11.2); (2) hop-by-hop fields end here (RFC 9110 §7.6.1);
(3) what a client says about where it came from counts only if it is trusted; (4) the rest stays byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from proxy.errors import (
    BadRequest,
    HeadTooLarge,
    LengthRequired,
    NotImplementedHere,
    TargetTooLong,
    VersionNotSupported,
)
from proxy.http1.body import CHUNKED
from proxy.http1.parser import Malformed, check_request
from proxy.model import Request

# The only names that a gateway must look at; everything else is copied through.
# Told apart by their first letters, so that other fields are passed over quickly.
_SPECIAL = re.compile(
    rb"\n(h(?:ost|ttp2-settings)|con(?:nection|tent-length)|t(?:e|ransfer-encoding|raceparent)|keep-alive"
    rb"|proxy-(?:connection|authorization)|upgrade|expect|via|forwarded"
    rb"|x(?:-request-id|[-_](?:forwarded|shunt)[-_][^:\r]*)):[ \t]*([^\r]*)"
)
_REQUEST_LINE = re.compile(
    rb"(?!CONNECT )([!#$%&'*+.^_`|~0-9A-Za-z-]+) (([^ #?\r]+)(?:\?([^ #\r]*))?) HTTP/1\.([01])\r\n"
)
"""Method, target, path, query, and the version's last digit."""
_OURS_TO_SET = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))
_ALWAYS_STRIPPED = frozenset((b"x-shunt-flags", b"x-shunt-variant", b"x-shunt-revision"))
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HTTP_VERSION = re.compile(rb"HTTP/\d(?:\.\d)?")
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+(?:%25[0-9A-Za-z._~-]+)?\]|(?:[0-9A-Za-z._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#@]+)([/?].*)?")
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
# RFC 9110 §7.6.1: fields that a client must not have removed by listing them in Connection.
_NOT_REMOVABLE = frozenset(
    b"host content-length transfer-encoding via expect cookie authorization x-request-id traceparent".split()
)
# In HTTP/1.0 their bodies need a length (RFC 1945 §8.3).
_WITH_BODY = frozenset((b"POST", b"PUT", b"PATCH"))
_LONGEST_BODY = (1 << 63) - 1
"""What a target that counts in signed 64 bits still understands."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bounds of a head, in bytes and fields."""

    head_bytes: int = 32 << 10
    head_fields: int = 128
    target_bytes: int = 8 << 10
    trailer_bytes: int = 8 << 10


class RequestHead(Request):
    """A request that may be forwarded: what the table looks at, and what framing and forwarding need."""

    __slots__ = (
        "cuts",
        "expects_continue",
        "fields_at",
        "forwarded",
        "has_host_line",
        "has_length",
        "hosts",
        "is_http10",
        "is_upgrade",
        "keep_alive",
        "length",
        "request_id",
        "te_trailers",
        "trace_id",
        "upgrade",
        "vias",
        "wire_host",
    )

    def __init__(self, line: re.Match[bytes], head: bytes, lowered: bytes) -> None:
        """Of a head that begins with this request-line; nothing is known of its fields yet."""
        self.method, self.target, self.path, self.query, minor = line.groups(b"")
        self.head = head
        self.lowered = lowered
        self.host = ""
        self.client = ""
        self.secure = False
        self.fields_at = line.end()
        """Where the first field line starts."""
        self.length = 0
        """The body's length in bytes, or CHUNKED."""
        self.is_http10 = minor == b"0"
        self.keep_alive = not self.is_http10
        self.has_length = False
        self.upgrade = b""
        """The protocols of an upgrade that Connection lists as well (RFC 9110 §7.8)."""
        self.is_upgrade = False
        self.expects_continue = False
        self.te_trailers = False
        self.wire_host = b""
        """The Host value to forward; `has_host_line` tells whether the head (less its cuts) still says it."""
        self.has_host_line = True
        self.hosts = 0
        self.vias = 0
        """How often `via_name` stands in Via: a measure of loops."""
        self.request_id = b""
        self.trace_id = b""
        self.forwarded: dict[bytes, bytes] = {}
        """The X-Forwarded-* of a trusted peer, by lower-case name."""
        self.cuts: list[tuple[int, int]] = []
        """The parts of the head that are not forwarded, in order."""


def parse_request(head: bytes, limits: RequestLimits, *, via_name: bytes = b"", trusted: bool = False) -> RequestHead:
    """Read one complete head (request-line to empty line).

    `via_name` is this instance's pseudonym, `trusted` whether the peer's X-Forwarded-* are believed.
    Raises BadRequest, TargetTooLong, HeadTooLarge, NotImplementedHere or VersionNotSupported.
    """
    line = _REQUEST_LINE.match(head)
    if line is None or line.end() > limits.target_bytes:
        _refuse_line(head[: head.find(b"\r\n")], limits)
    if len(head) > limits.head_bytes:
        raise HeadTooLarge(f"the request's head is longer than {limits.head_bytes} bytes")
    if line is None:
        raise BadRequest("the request-target is malformed")
    request = RequestHead(line, head, head.lower())
    try:
        check_request(head, len(request.method))
    except Malformed as why:
        if "Transfer-Encoding" in str(why) and "present" not in str(why):
            raise _transfer_fault(head) from None
        raise BadRequest(f"malformed request: {why}") from None
    # A field takes four bytes at least, so a short head needs no counting.
    if len(head) > 4 * limits.head_fields and head.count(b"\n") - 2 > limits.head_fields:
        raise HeadTooLarge(f"the request has more than {limits.head_fields} fields")
    _read_fields(request, via_name, trusted=trusted)
    if request.path[0] != 47:  # not origin-form
        _absolute_or_asterisk(request)
    return request


def _refuse_line(line: bytes, limits: RequestLimits) -> None:
    """Say what is wrong with a request-line (RFC 9112 §3), if it is more than the target's form."""
    parts = line.split(b" ")
    if len(parts) != 3:
        if len(line) > limits.target_bytes + 64:
            raise TargetTooLong(f"the request-line is longer than {limits.target_bytes} bytes")
        raise BadRequest("the request-line is not 'method target version'")
    method, target, version = parts
    if version != b"HTTP/1.1" and version != b"HTTP/1.0":
        if _HTTP_VERSION.fullmatch(version):
            raise VersionNotSupported("this proxy speaks HTTP/1.1 and HTTP/1.0")
        raise BadRequest("the request-line does not end in an HTTP version")
    if len(target) > limits.target_bytes:
        raise TargetTooLong(f"the request-target is longer than {limits.target_bytes} bytes")
    if not target or b"#" in target:
        raise BadRequest("the request-target is malformed")
    if not _METHOD.fullmatch(method):
        raise BadRequest("the method is not a token")
    if method == b"CONNECT":
        raise NotImplementedHere("this proxy does not forward CONNECT")


def _transfer_fault(head: bytes) -> BadRequest | NotImplementedHere:
    """What to say of a Transfer-Encoding that llhttp refused: an unknown coding is 501 (RFC 9112 §6.1)."""
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"transfer-encoding":
            codings = [coding.strip(b" \t") for coding in value.split(b",")]
            if b"chunked" not in codings and all(_METHOD.fullmatch(coding) for coding in codings):
                return NotImplementedHere("the only transfer coding here is chunked")
    return BadRequest("malformed request: Transfer-Encoding is not 'chunked'")


def _read_fields(request: RequestHead, via_name: bytes, *, trusted: bool) -> None:
    """Look at the special fields, note what they say and what must be cut out."""
    head, lowered = request.head, request.lowered
    # One search after the other costs half of what an iterator does.
    found = _SPECIAL.search(lowered, request.fields_at - 1)
    while found is not None:
        name = found[1]
        start, end = found.span(2)
        value = head[start:end].rstrip(b" \t")
        if name == b"host":
            request.hosts += 1
            request.wire_host = value
        elif name == b"via":
            request.vias += value.count(via_name) if via_name else 0
        elif name in _END_TO_END:
            if not _END_TO_END[name](request, value):
                request.cuts.append((found.start() + 1, end + 2))
        elif not trusted or not _is_trusted_word(request, name, value):
            request.cuts.append((found.start() + 1, end + 2))
            _hop_field(request, name, value)
        found = _SPECIAL.search(lowered, end)
    _settle(request)


def _settle(request: RequestHead) -> None:
    """What only the whole head tells: one Host, a length where one is needed, an upgrade that Connection lists too."""
    if request.hosts == 1:
        request.host = host_name(request.wire_host)
    elif request.hosts:
        raise BadRequest("the request has more than one Host")
    elif not request.is_http10:
        raise BadRequest("the request has no Host")
    if request.is_http10 and not request.has_length and request.method in _WITH_BODY:
        raise needs_length(request)
    if not request.is_upgrade:
        request.upgrade = b""


def _content_length(request: RequestHead, value: bytes) -> bool:
    request.length = int(value)
    request.has_length = True
    if request.length > _LONGEST_BODY:
        raise BadRequest("the Content-Length is too large")
    return True


def _expect(request: RequestHead, value: bytes) -> bool:
    request.expects_continue = value.lower() == b"100-continue"
    return True


def _request_id(request: RequestHead, value: bytes) -> bool:
    if request.request_id or not _REQUEST_ID.fullmatch(value):
        return False
    request.request_id = value
    return True


def _traceparent(request: RequestHead, value: bytes) -> bool:
    trace = _TRACEPARENT.fullmatch(value)
    if trace is None or request.trace_id:
        return False
    request.trace_id = trace[1]
    return True


_END_TO_END = {
    b"content-length": _content_length,
    b"expect": _expect,
    b"x-request-id": _request_id,
    b"traceparent": _traceparent,
}
"""Fields that are read and stay, unless the reader says no."""


def _is_trusted_word(request: RequestHead, name: bytes, value: bytes) -> bool:
    """Whether a trusted peer's field stays as it came; its X-Forwarded-For, -Proto and -Host are noted."""
    if name in _OURS_TO_SET:
        before = request.forwarded.get(name)
        request.forwarded[name] = value if before is None else before + b", " + value
        return False
    return name == b"forwarded" or (name.startswith((b"x-forwarded-", b"x-shunt-")) and name not in _ALWAYS_STRIPPED)


def _hop_field(request: RequestHead, name: bytes, value: bytes) -> None:
    """A field that ends here."""
    if name == b"connection":
        _connection(request, value.lower())
    elif name == b"transfer-encoding":
        if request.is_http10:
            raise BadRequest("Transfer-Encoding in HTTP/1.0 is ambiguous")
        if request.length or value.lower() != b"chunked":
            raise _transfer_fault(request.head)
        request.length = CHUNKED
    elif name == b"te":
        request.te_trailers = b"trailers" in value.lower()
    elif name == b"upgrade":
        request.upgrade = value


def _connection(request: RequestHead, value: bytes) -> None:
    """What Connection says, and the fields that it lists (RFC 9110 §7.6.1)."""
    for option in value.split(b","):
        option = option.strip(b" \t")
        if option == b"close":
            request.keep_alive = False
        elif option == b"keep-alive":
            request.keep_alive = True
        elif option == b"upgrade":
            request.is_upgrade = True
        elif option not in (b"", b"te", b"http2-settings"):
            _cut_listed(request, option)


def _cut_listed(request: RequestHead, name: bytes) -> None:
    """Cut out the fields of a name that Connection lists, unless nobody may have them removed."""
    if name in _NOT_REMOVABLE or name.startswith((b"x-forwarded-", b"x-shunt-")):
        return
    lowered = request.lowered
    start = lowered.find(b"\n" + name + b":")
    while start >= 0:
        end = lowered.find(b"\n", start + 1)
        request.cuts.append((start + 1, end + 1))
        start = lowered.find(b"\n" + name + b":", end)


def _absolute_or_asterisk(request: RequestHead) -> None:
    """Absolute-form replaces Host (RFC 9112 §3.2.2); `*` is for OPTIONS (§3.2.4)."""
    target = request.target
    if target == b"*" and request.method == b"OPTIONS":
        return
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise BadRequest("the request-target is malformed")
    origin = found[2] or b""
    if not origin and request.method == b"OPTIONS":
        origin = b"*"
    elif not origin.startswith(b"/"):
        origin = b"/" + origin
    request.target = origin
    request.path, _, request.query = origin.partition(b"?")
    request.wire_host = found[1]
    request.host = host_name(found[1])
    start = request.lowered.find(b"\nhost:")
    if start >= 0:
        request.cuts.append((start + 1, request.lowered.find(b"\n", start + 1) + 1))
    request.has_host_line = False


def host_name(value: bytes) -> str:
    """The name in a Host value, in lower case and without port (RFC 9110 §7.2); raises BadRequest."""
    return _known_host(value) if len(value) <= _LONGEST_KNOWN_HOST else _read_host(value)


def _read_host(value: bytes) -> str:
    if value and not _HOST.fullmatch(value):
        raise BadRequest("the Host is malformed")
    name = value.decode("ascii").lower()
    if name.startswith("["):
        return name[: name.index("]") + 1]
    return name.partition(":")[0].removesuffix(".")


_LONGEST_KNOWN_HOST = 255
_known_host = lru_cache(maxsize=1024)(_read_host)
"""Few hosts are asked for again and again: a quarter of a megabyte at most."""


def needs_length(request: RequestHead) -> LengthRequired:
    """The refusal of a method with a body whose length nobody says."""
    return LengthRequired(f"{request.method.decode('latin-1')} needs a Content-Length here")
