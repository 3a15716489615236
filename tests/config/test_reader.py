"""YAML is read with its lines, and no file can make reading it expensive."""

from __future__ import annotations

import pytest

from proxy.config import reader
from proxy.config.faults import Fault
from proxy.config.files import Source
from proxy.config.tree import Branch, Node, place


def read(text: str | bytes) -> tuple[Branch | None, list[Fault]]:
    faults: list[Fault] = []
    content = text if isinstance(text, bytes) else text.encode()
    return reader.parse(Source("f.yaml", content), faults), faults


def wrong(text: str | bytes) -> str:
    _, faults = read(text)
    assert len(faults) == 1
    return str(faults[0])


@pytest.mark.parametrize("written", ["true", "1.10", "on", "0x1F", "2026-11-22", "1e3", "'null'"])
def test_a_scalar_stays_what_its_author_wrote(written: str) -> None:
    assert read(f"a: {written}") == ({"a": written.strip("'")}, [])


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_nothing_is_nothing(written: str) -> None:
    assert read(f"a: {written}\nb: ''") == ({"a": None, "b": ""}, [])


def test_every_part_knows_its_line() -> None:
    tree, _ = read("a:\n  b:\n    - x\n    - {c: 1,\n       d: 2}\n")
    assert tree is not None
    paths: list[tuple[str | int, ...]] = [("a",), ("a", "b"), ("a", "b", 0), ("a", "b", 1, "d"), ("a", "b", 1, "e")]
    assert [place(tree, path).line for path in paths] == [1, 2, 3, 5, 4]


def test_an_empty_file_is_no_tree_and_no_fault() -> None:
    assert read("# nothing\n") == (None, [])


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    assert read(b"\xef\xbb\xbfa: 1") == ({"a": "1"}, [])


def test_a_key_that_stands_twice_names_both_lines() -> None:
    assert (
        wrong("a: 1\nb: {c: 1}\na: {x: 2}\n") == "f.yaml:3: a: 'a' stands here again, first in line 1; keep one of them"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1,\n b: }", "f.yaml:2: is not YAML"),
        ("a:\n\tb: 1", "f.yaml:2: is not YAML"),
        ("a: \x07", "f.yaml:1: is not YAML"),
        ("a: 1\n---\nb: 2", "f.yaml:2: has a second document"),
        ("- 1", "f.yaml:1: is not a mapping"),
        ("? [1]\n: 2", "f.yaml:1: has a list or mapping as a key"),
        ("a: *x", "f.yaml:1: a: refers to *x"),
        ("a: &x {b: *x}", "f.yaml:1: a.b: refers to *x"),
        ("a: !!python/object:os.system {}", "f.yaml:1: a: the tag tag:yaml.org,2002:python/object"),
        ("a: !env HOME", "f.yaml:1: a: the tag !env means nothing here"),
        ("a: 1\n'': 2", "f.yaml:2: has an empty key"),
        (b"a: 1\nb: \xff", "f.yaml:2: is not UTF-8"),
        ("a: 1\n<<: 5", "f.yaml:1: << merges something that is no mapping"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_line(text: str | bytes, expected: str) -> None:
    assert wrong(text).startswith(expected)


def test_anchors_and_merge_keys_mean_what_they_mean_elsewhere() -> None:
    tree, faults = read("a: &x {p: 1, q: [2]}\nb: {<<: *x, p: 3}\nc: *x\nd: {<<: [{p: 5}, *x]}\n")
    assert faults == []
    assert tree == {
        "a": {"p": "1", "q": ["2"]},
        "b": {"p": "3", "q": ["2"]},
        "c": {"p": "1", "q": ["2"]},
        "d": {"p": "5", "q": ["2"]},
    }
    assert tree["a"] is not tree["c"]


def test_a_billion_laughs_end_early() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "by aliases" in wrong("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 10_000, "- " * 50_000])
def test_bottomless_nesting_ends_early(text: str) -> None:
    assert "deep" in wrong(text)


def test_the_pure_parser_reads_the_same_where_libyaml_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &x {p: 1, q: [2, null]}\nb: {<<: *x, p: 'y'}\n"
    by_libyaml: Node = read(text)[0]
    monkeypatch.delattr("yaml.CSafeLoader")
    assert read(text) == (by_libyaml, [])
