"""Conditions: what Argo's examples write is answered, and nothing else is reachable from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.strategies.expression import MAX_LENGTH, BadExpression, parse


@pytest.mark.parametrize(
    ("text", "result", "answer"),
    [
        ("result[0] >= 0.95", [0.97], True),
        ("result >= 0.95", 0.9, False),
        ("len(result) == 0 || result[0] < 5", [], True),
        ("all(result, # < 1)", [0.5, 0.9], True),
        ("all(result, {# < 1})", [0.5, 2], False),
        ("any(result, # > 1) and none(result, # > 9)", [0.5, 2], True),
        ("one(result, # == 2)", [2, 2], False),
        ("result.ok && result.count > 10", {"ok": True, "count": 11}, True),
        ('result.state == "green"', {"state": "green"}, True),
        ('result["a-b"][0].c == 1', {"a-b": [{"c": 1}]}, True),
        ('result.state in ["a", "b"]', {"state": "c"}, False),
        ("!isNaN(result) && !isInf(result)", 1.0, True),
        ("isNil(result.missing) == false", {"missing": 1}, True),
        ("default(result, 0) <= 0.1", [], True),
        ("asFloat(result) / 4 - 1 * 2 == -1.5", "2", True),
        ("asInt(result) % 2 == 1", 7.9, True),
        ("not (1 < 2 and 2 < 1)", None, True),
        ("-result < 0", 3, True),
        ("true != false", None, True),
        ("result == nil", None, True),
        ("1 + 2 * 3 == 7 and (1 + 2) * 3 == 9", None, True),
    ],
)
def test_a_condition_is_answered(text: str, result: object, answer: bool) -> None:
    assert parse(text).holds(result) is answer


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("result[0] > 1", []),
        ("result.a.b > 1", {"a": 1}),
        ("result > 1", "2"),
        ("result > 1", True),
        ("result", 1),
        ("1 / result > 0", 0),
        ("result[0.5] == 1", [1]),
        ("result.__class__ == 1", {}),
        ("len(result) > 0", 1),
        ("result.x and true", {"x": 1}),
    ],
)
def test_a_condition_without_an_answer_raises_instead_of_being_false(text: str, result: object) -> None:
    with pytest.raises(BadExpression):
        parse(text).holds(result)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "result >",
        "(result",
        "result)",
        "result result",
        "__import__('os')",
        "open('/etc/passwd')",
        "lambda: 1",
        "result ** 2",
        "result = 1",
        "all(result)",
        '"unfinished',
        "(" * 100 + "1" + ")" * 100,
        "1+" * MAX_LENGTH,
    ],
)
def test_what_is_not_a_condition_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(BadExpression):
        parse(text)


@given(
    st.text(alphabet="result[]().#!&|<>=+-*/%'\" 0123456789,{}andotinlasymk", max_size=60),
    st.integers() | st.lists(st.floats()),
)
def test_no_text_does_anything_but_answer_or_raise_bad_expression(text: str, result: object) -> None:
    try:
        answer = parse(text).holds(result)
    except BadExpression:
        return
    assert answer in (True, False)
