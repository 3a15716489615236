"""A transcript: what a client says, what targets hear of it, what they answer, what the client hears of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from proxy.rules import Service
from proxy.settings import Settings
from tests.wire.messages import CRLF, answers_in, requests_in, wire
from tests.wire.people import Say, Script
from tests.wire.stage import OK, REQUEST_ID, TARGET, Stage, play, shop

WAYS = ("whole", "byte by byte", "with trailing bytes")
_BEHIND = wire("GET /behind HTTP/1.1", "Host: shop", "", "")


@dataclass(frozen=True)
class Transcript:
    """One conversation. `hears` is None where only `refusal` (status, word) of Shunt's own counts."""

    promise: str
    says: bytes
    target_says: Sequence[Say | bytes] = ()
    target_hears: bytes = b""
    hears: bytes | None = None
    ending: str = "open"
    """How the client's connection ends: open, closed or reset."""
    refusal: tuple[int, str] | None = None
    """Shunt's own answer, the last one that is heard."""
    methods: tuple[bytes, ...] = ()
    half_closes: bool = False
    ways: tuple[str, ...] = WAYS
    settings: Settings = field(default_factory=Settings)
    service: Service = field(default_factory=shop)
    patience_seconds: float = 0.5

    def run(self, way: str) -> None:
        """Play it in one of the WAYS and compare."""
        script = Script([say if isinstance(say, Say) else Say(say) for say in self.target_says])
        trails = way == "with trailing bytes"
        heard: list[bytes] = []

        async def scene(stage: Stage) -> None:
            client = await stage.client(self.says)
            if self.half_closes:
                client.transport.write_eof()
            await stage.settle(self.patience_seconds)
            assert client.ending == self.ending, client.heard
            if trails:
                self._say_more(client, script)
                await stage.settle()
            heard[:] = [client.heard]

        piece_bytes = 1 if way == "byte by byte" else 256 << 10
        play(
            scene,
            scripts={TARGET: script},
            services=[self.service],
            settings=self.settings,
            piece_bytes=piece_bytes,
        )
        self._compare(script, heard[0], trails=trails)

    def _say_more(self, client: object, script: Script) -> None:
        script.answers[:] = [Say(OK)]
        transport = client.transport  # type: ignore[attr-defined]
        if not transport.is_closing():
            transport.write(_BEHIND)

    def _compare(self, script: Script, heard: bytes, *, trails: bool) -> None:
        requests = script.heard
        answers = answers_in(heard, *self.methods)
        if trails and self.ending == "open":
            assert requests.pop().head[0] == b"GET /behind HTTP/1.1"
            assert answers.pop().body == b"ok"
        assert all(b"/behind" not in request.head[0] for request in requests), "bytes behind the end were served"
        assert requests == requests_in(self.target_hears)
        if self.refusal is not None:
            self._compare_refusal(answers.pop())
        if self.hears is not None or self.refusal is None:
            assert answers == answers_in(self.hears or b"", *self.methods)

    def _compare_refusal(self, answer: object) -> None:
        message = answer
        assert isinstance(message, tuple)
        assert (message.status, message.field(b"x-shunt-error")) == (self.refusal[0], self.refusal[1].encode())
        assert message.field(b"x-request-id"), "an error carries the request's id"
        assert message.is_whole
        assert message.body.count(b"\n") == (0 if self.methods[-1:] == (b"HEAD",) else 1)
        for secret in (b"10.0.0.1", b"9001", b"v1", b"Traceback"):
            assert secret not in b"".join((*message.head, message.body)), "an error says nothing of the inside"
        if self.ending == "closed":
            assert message.field(b"connection") == b"close"


def each_way(*transcripts: Transcript) -> pytest.MarkDecorator:
    """Parametrize a test by every transcript and every way to play it."""
    cases = [pytest.param(each, way, id=f"{each.promise}, {way}") for each in transcripts for way in each.ways]
    return pytest.mark.parametrize(("transcript", "way"), cases)


__all__ = ["CRLF", "OK", "REQUEST_ID", "Say", "Transcript", "each_way"]
