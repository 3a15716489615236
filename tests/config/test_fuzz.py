"""Whatever is done to a good file, the loader answers with values or with faults that have a place."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import Fault, Faults, Source, load_settings, rules
from proxy.config.settings import settings as read_settings

EXAMPLES = Path(__file__).parents[2] / "config"
RULES = sorted(path.read_text() for path in EXAMPLES.glob("*.yaml") if path.stem != "shunt")
SETTINGS = (EXAMPLES / "shunt.yaml").read_text()

FRAGMENTS = [
    "null",
    "~",
    "true",
    "-1",
    "1e999",
    "nan",
    "{}",
    "[]",
    "[[]]",
    "''",
    '"\\u0000"',
    "&a",
    "*a",
    "<<:",
    "*a",
    "!x",
    "---",
    "@",
    "%",
    "|",
    ">",
    "?",
    ":",
    "-",
    "services:",
    "any:",
    "not:",
    "prefix:",
]
PIECES = st.one_of(st.sampled_from([*FRAGMENTS, "\t", "\n", "\r", "  ", ": ", "- "]), st.text(max_size=8))


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> str:
    """A good file with a few places cut out, doubled or written over."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 6))):
        words = [0, *(at + 1 for at, letter in enumerate(text) if letter in " \n:{}[],")]
        start = draw(st.sampled_from(words))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.one_of(PIECES, st.just(text[start:end] * 2))) + text[end:]
    return text


def assert_placed(faults: Faults, text: str) -> None:
    assert faults.faults
    for fault in faults.faults:
        assert 1 <= fault.line <= text.count("\n") + text.count("\r") + 2, fault
        assert "\n" not in str(fault)
        assert fault.wrong


@settings(max_examples=400, deadline=None)
@given(mutated(RULES))
def test_no_mutation_of_rules_is_more_than_a_list_of_faults(text: str) -> None:
    try:
        rules([Source("rules.yaml", text.encode("utf-8", "surrogatepass"))])
    except Faults as faults:
        assert_placed(faults, text)


@settings(max_examples=200, deadline=None)
@given(mutated([SETTINGS]))
def test_no_mutation_of_settings_is_more_than_a_list_of_faults(text: str) -> None:
    try:
        read_settings(Source("shunt.yaml", text.encode("utf-8", "surrogatepass")), {}, {})
    except Faults as faults:
        assert_placed(faults, text)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_a_list_of_faults(content: bytes) -> None:
    try:
        rules([Source("rules.yaml", content)])
    except Faults as faults:
        assert_placed(faults, content.decode("latin-1"))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["SHUNT_LISTEN", "SHUNT_WORKERS", "SHUNT_DNS_MIN", "SHUNT_NAME"]), st.text()))
def test_no_environment_is_more_than_a_list_of_faults(environ: dict[str, str]) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        load_settings(None, environ)
    except Faults as broken:
        faults = broken.faults
    assert all(str(fault).startswith("environment SHUNT_") for fault in faults)
