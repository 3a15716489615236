"""Conditions over a measurement, in a language too small to do harm.

The part of expr-lang that Argo Rollouts' conditions use: numbers, strings, `true`, `false`, `nil`, lists,
`result`, `.name`, `[index]`, `+ - * / %`, comparisons, `in`, `&& || !` (also `and or not`), and the functions
below; `all(result, # < 1)` asks every element. Nothing is looked up outside the result, nothing is called but
these functions, and a condition that cannot be answered raises instead of being false.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

from proxy.errors import ShuntError

Value = object
Node = Callable[[Value, Value], Value]
"""Answers for (result, the element `#`)."""

MAX_LENGTH = 1000
MAX_DEPTH = 40

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>"[^"\\]*"|'[^'\\]*')
    |(?P<word>[A-Za-z_]\w*)|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!()\[\]{},.\#]))""",
    re.VERBOSE,
)
_BINDS = {"or": 1, "||": 1, "and": 2, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3}
_BINDS |= {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_RECKON = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": math.fmod}
_NAMED: dict[str, Value] = {"true": True, "false": False, "nil": None}


class BadExpression(ShuntError, ValueError):
    """The condition cannot be read, or has no answer for this result."""

    status, word = 422, "bad_expression"


class Expression:
    """A condition that was read once and is asked often."""

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._node = node

    def holds(self, result: Value) -> bool:
        """Whether the condition is true of the result; raises BadExpression when it cannot be answered."""
        try:
            answer = self._node(result, None)
        except BadExpression:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
            raise BadExpression(f"{self.text!r} has no answer for {result!r:.200}: {fault}") from fault
        if not isinstance(answer, bool):
            raise BadExpression(f"{self.text!r} is {answer!r:.80}, not true or false")
        return answer


def parse(text: str) -> Expression:
    """The condition that the text writes, or BadExpression naming the place."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(f"a condition is at most {MAX_LENGTH} characters long")
    reader = _Reader(text, _tokens(text))
    node = reader.expression(0)
    reader.end()
    return Expression(text, node)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadExpression(f"{text!r}: cannot read {text[at:].strip()!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    return [*found, ("end", "")]


class _Reader:
    """Precedence climbing over the tokens; one method per form."""

    def __init__(self, text: str, tokens: list[tuple[str, str]]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def expression(self, floor: int) -> Node:
        """Everything that binds tighter than `floor`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadExpression(f"{self._text!r} is nested too deeply")
        left = self._postfix(self._primary())
        while (strength := _BINDS.get(self._peek(), 0)) > floor:
            sign = self._next()[1]
            left = _binary(sign, left, self.expression(strength))
        self._depth -= 1
        return left

    def end(self) -> None:
        """Nothing may be left."""
        if self._tokens[self._at][0] != "end":
            raise BadExpression(f"{self._text!r}: {self._peek()!r} is not expected here")

    def _primary(self) -> Node:
        kind, token = self._next()
        if kind == "number":
            return _constant(float(token))
        if kind == "text":
            return _constant(token[1:-1])
        if token in _NAMED:
            return _constant(_NAMED[token])
        if token in _QUANTIFIERS or token in _FUNCTIONS:
            return self._call(token)
        return self._sign(token)

    def _sign(self, token: str) -> Node:
        match token:
            case "result":
                return lambda result, _element: result
            case "#":
                return lambda _result, element: element
            case "!" | "not":
                return _negated(self.expression(5 if token == "!" else 2))
            case "-":
                minus = self.expression(5)
                return lambda result, element: -_number(minus(result, element))
            case "(":
                return self._until(self.expression(0), ")")
            case "[":
                items = self._items("]")
                return lambda result, element: [item(result, element) for item in items]
        raise BadExpression(f"{self._text!r}: {token!r} is not expected here")

    def _postfix(self, node: Node) -> Node:
        while self._peek() in (".", "["):
            if self._next()[1] == ".":
                node = _member(node, _constant(self._next()[1]))
            else:
                node = _member(node, self._until(self.expression(0), "]"))
        return node

    def _call(self, name: str) -> Node:
        self._expect("(")
        if name not in _QUANTIFIERS:
            arguments = self._items(")")
            function = _FUNCTIONS[name]
            return lambda result, element: function(*[argument(result, element) for argument in arguments])
        listed = self.expression(0)
        self._expect(",")
        braced = self._peek() == "{"
        if braced:
            self._next()
        asked = self.expression(0)
        if braced:
            self._expect("}")
        self._expect(")")
        return _quantified(_QUANTIFIERS[name], listed, asked)

    def _items(self, closing: str) -> list[Node]:
        items: list[Node] = []
        while self._peek() != closing:
            items.append(self.expression(0))
            if self._peek() != closing:
                self._expect(",")
        self._next()
        return items

    def _until(self, node: Node, closing: str) -> Node:
        self._expect(closing)
        return node

    def _expect(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise BadExpression(f"{self._text!r}: {sign!r} is missing")

    def _peek(self) -> str:
        kind, token = self._tokens[self._at]
        return "" if kind == "text" else token

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        if token[0] == "end":
            raise BadExpression(f"{self._text!r} ends too early")
        self._at += 1
        return token


def _constant(value: Value) -> Node:
    return lambda _result, _element: value


def _negated(node: Node) -> Node:
    return lambda result, element: not _truth(node(result, element))


def _binary(sign: str, left: Node, right: Node) -> Node:
    if sign in ("and", "&&"):
        return lambda result, element: _truth(left(result, element)) and _truth(right(result, element))
    if sign in ("or", "||"):
        return lambda result, element: _truth(left(result, element)) or _truth(right(result, element))
    if sign in ("==", "!="):
        return lambda result, element: (left(result, element) == right(result, element)) is (sign == "==")
    if sign == "in":
        return lambda result, element: left(result, element) in _many(right(result, element))
    if sign in _COMPARE:
        compare = _COMPARE[sign]
        return lambda result, element: compare(_number(left(result, element)), _number(right(result, element)))
    reckon = _RECKON[sign]
    return lambda result, element: reckon(_number(left(result, element)), _number(right(result, element)))


def _member(node: Node, key: Node) -> Node:
    def member(result: Value, element: Value) -> Value:
        holder, name = node(result, element), key(result, element)
        if isinstance(holder, dict):
            return holder[name]
        return _many(holder)[_whole(name)]

    return member


def _quantified(verdict: Callable[[list[bool]], bool], listed: Node, asked: Node) -> Node:
    def quantified(result: Value, element: Value) -> Value:
        return verdict([_truth(asked(result, each)) for each in _many(listed(result, element))])

    return quantified


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is not true or false")
    return value


def _number(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r:.80} is not a number")
    return value


def _whole(value: Value) -> int:
    number = _number(value)
    if number != int(number):
        raise TypeError(f"{value!r} is not a whole number")
    return int(number)


def _many(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.80} is not a list")
    return value


def _converted(value: Value) -> float:
    return float(value) if isinstance(value, str) else _number(value)


def _length(value: Value) -> float:
    if not isinstance(value, (list, dict, str)):
        raise TypeError(f"{value!r:.80} has no length")
    return len(value)


def _default(value: Value, otherwise: Value) -> Value:
    is_empty = value is None or value == [] or (isinstance(value, float) and math.isnan(value))
    return otherwise if is_empty else value


_QUANTIFIERS: dict[str, Callable[[list[bool]], bool]] = {
    "all": all,
    "any": any,
    "none": lambda answers: not any(answers),
    "one": lambda answers: sum(answers) == 1,
}
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "len": _length,
    "isNaN": lambda value: math.isnan(_number(value)),
    "isInf": lambda value: math.isinf(_number(value)),
    "isNil": lambda value: value is None,
    "asFloat": _converted,
    "asInt": lambda value: math.trunc(_converted(value)),
    "default": _default,
}
