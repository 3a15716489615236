"""Injected headers say what the route decided."""

from __future__ import annotations

from proxy.flags.asker import Asker
from proxy.flags.flag import Context
from proxy.flags.flagset import Document, Plain, Sources, compiled
from proxy.flags.injection import headers_for, injector
from proxy.model import Request

DISABLED = {"state": "DISABLED", "variants": {"a": 1}, "defaultVariant": "a"}
FLAGS = compiled(
    Sources(
        plain=(Plain("NEW", "50%", ""), Plain("theme", "dark, blue=1", ""), Plain("größe", "ü", "")),
        documents=(Document("d", {"flags": {"gone": DISABLED}}),),
    )
)


def test_headers_name_each_flag_with_its_variant() -> None:
    fields = dict(headers_for(FLAGS, ["theme", "größe", "gone", "nobody"], Context("alice")))
    assert fields == {
        b"x-shunt-flags": b"theme=dark%2C%20blue%3D1,gr%C3%B6%C3%9Fe=%C3%BC",
        b"x-shunt-variant": b"dark%2C%20blue%3D1",
        b"x-shunt-revision": FLAGS.revision.encode(),
    }


def test_flags_without_variant_leave_only_the_revision() -> None:
    assert headers_for(FLAGS, ["gone", "nobody"], Context("alice")) == ((b"x-shunt-revision", FLAGS.revision.encode()),)


def test_route_and_header_never_disagree() -> None:
    asker = Asker(FLAGS, lambda: 0.0)
    inject, decide = injector(asker, ["NEW"]), asker.about("NEW")
    for n in range(200):
        identity = b"user-%d" % n
        variant = decide(Request.of(), identity).variant or ""
        assert b"x-shunt-variant: %b\r\n" % variant.encode() in inject(Request.of(), identity)
