"""Targeting: flagd's JsonLogic, compiled once to closures that are called per request."""

from __future__ import annotations

from typing import NamedTuple

from proxy.flags import logic
from proxy.flags.bucketing import Version
from proxy.flags.fault import Faults, Path, meant
from proxy.flags.fractional import fractional
from proxy.flags.loops import LOOPS
from proxy.flags.operators import EXACT, FIXED, VARIADIC, called, choice
from proxy.flags.rule import Constant, Rule, is_listed, listed

MAX_DEPTH = 100
MAX_NODES = 20_000
"""Evaluators that refer to evaluators could grow without bound; this is far above any rule that people write."""


class Targeting(NamedTuple):
    """A compiled targeting rule and what it looks at."""

    rule: Rule
    reads: frozenset[tuple[str, ...]] | None
    """The paths of the context that it reads, None if they are known only when it runs."""
    needs_key: bool
    """Whether it buckets by targeting key."""


def compile_targeting(
    flag: str, tree: object, evaluators: dict[str, object], bucketing: Version, faults: Faults
) -> Targeting:
    """The rule of a flag; what is wrong with it goes to `faults`, and the rule must not be used then."""
    compiler = _Compiler(flag, evaluators, bucketing, faults)
    path: Path = ("flags", flag, "targeting")
    if not isinstance(tree, dict) or len(tree) > 1:
        faults.add(path, "must be one rule, an object with the operator as its only key")
        return Targeting(Constant(None), frozenset(), needs_key=False)
    rule = compiler.compile(tree, path)
    return Targeting(rule, None if compiler.reads_anything else frozenset(compiler.reads), compiler.needs_key)


class _Compiler:
    """Compiles one flag's targeting; `depth_of_scope` is 0 where `var` looks at the whole context."""

    def __init__(self, flag: str, evaluators: dict[str, object], bucketing: Version, faults: Faults) -> None:
        self.flag = flag
        self.evaluators = evaluators
        self.bucketing = bucketing
        self.faults = faults
        self.reads: set[tuple[str, ...]] = set()
        self.reads_anything = False
        self.needs_key = False
        self.depth_of_scope = 0
        self.open_evaluators: list[str] = []
        self.depth = 0
        self.nodes = 0
        self.is_too_large = False

    def compile(self, node: object, path: Path) -> Rule:
        """A tree as a closure: lists item by item, an object with one key as that operator, all else as it is."""
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > MAX_NODES:
            if not self.is_too_large:
                self.faults.add(path, f"is nested deeper than {MAX_DEPTH} levels or larger than {MAX_NODES} nodes")
            self.is_too_large = True
            return Constant(None)
        self.depth += 1
        try:
            if isinstance(node, list):
                return listed([self.compile(item, (*path, index)) for index, item in enumerate(node)])
            if isinstance(node, dict) and len(node) == 1:
                ((name, operands),) = node.items()
                return self._operation(str(name), operands, (*path, str(name)))
            return Constant(node)
        finally:
            self.depth -= 1

    def _operation(self, name: str, operands: object, path: Path) -> Rule:
        if name == "$ref":
            return self._reference(operands, path)
        # `{"var": "plan"}` is short for `{"var": ["plan"]}`.
        nodes = operands if isinstance(operands, list) else [operands]
        if name in LOOPS:
            return self._loop(name, nodes, path)
        rules = [
            self.compile(node, (*path, index) if isinstance(operands, list) else path)
            for index, node in enumerate(nodes)
        ]
        if name in ("if", "?:"):
            return choice(rules)
        if name == "var":
            return self._variable(rules)
        if name == "fractional":
            return self._fractional(rules)
        if name in ("missing", "missing_some"):
            return self._missing(name, rules)
        if name in VARIADIC:
            return VARIADIC[name](rules)
        if name in FIXED:
            arity, function = FIXED[name]
            return called(function, _padded(rules, arity))
        if name in EXACT:
            arity, function = EXACT[name]
            return called(function, rules) if len(rules) == arity else Constant(None)
        self.faults.add(path, f"{name!r} is no operator{meant(name, OPERATORS)}")
        return Constant(None)

    def _reference(self, operand: object, path: Path) -> Rule:
        name = str(operand)
        if name in self.open_evaluators:
            self.faults.add(path, f"evaluator {name!r} refers to itself")
        elif name not in self.evaluators:
            self.faults.add(path, f"there is no evaluator {name!r}{meant(name, self.evaluators)}")
        else:
            self.open_evaluators.append(name)
            rule = self.compile(self.evaluators[name], ("$evaluators", name))
            self.open_evaluators.pop()
            return rule
        return Constant(None)

    def _loop(self, name: str, nodes: list[object], path: Path) -> Rule:
        loop = LOOPS[name]
        if len(nodes) < loop.operands:
            return Constant(loop.too_few)
        items = self.compile(nodes[0], (*path, 0))
        self.depth_of_scope += 1
        body = self.compile(nodes[1], (*path, 1)) if len(nodes) > 1 else Constant(None)
        self.depth_of_scope -= 1
        # flagd takes the third operand of `reduce` as it is written.
        return loop.make(items, body, nodes[2] if len(nodes) > 2 else None)

    def _variable(self, rules: list[Rule]) -> Rule:
        where, default = _padded(rules, 2)
        if not isinstance(where, Constant):
            self.reads_anything |= self.depth_of_scope == 0
            return lambda scope: logic.found(scope, where(scope), default(scope))
        path = where.value
        if not isinstance(path, str) or path == "":
            self.reads_anything |= self.depth_of_scope == 0
            return lambda scope: logic.found(scope, path, default(scope))
        steps = tuple(path.split("."))
        if self.depth_of_scope == 0:
            if steps == ("$flagd", "flagKey"):
                return Constant(self.flag)
            self.reads.add(steps)
        return _stepped(steps, default)

    def _missing(self, name: str, rules: list[Rule]) -> Rule:
        if self.depth_of_scope == 0:
            for rule in rules:
                self._reads_paths(rule)
        if name == "missing":
            first, rest = (rules[0] if rules else Constant([])), rules[1:]

            def missing(scope: object) -> object:
                keys = first(scope)
                return logic.missing(scope, keys if isinstance(keys, list) else [keys, *(rule(scope) for rule in rest)])

            return missing
        needed, wanted = _padded(rules, 2)

        def missing_some(scope: object) -> object:
            keys = wanted(scope)
            if not isinstance(keys, list):
                return []
            absent = logic.missing(scope, keys)
            return [] if len(keys) - len(absent) >= logic.number(needed(scope)) else absent

        return missing_some

    def _reads_paths(self, rule: Rule) -> None:
        if not isinstance(rule, Constant):
            self.reads_anything = True
            return
        for key in rule.value if isinstance(rule.value, list) else [rule.value]:
            if isinstance(key, str) and key:
                self.reads.add(tuple(key.split(".")))

    def _fractional(self, rules: list[Rule]) -> Rule:
        # Inside a loop the scope is an item, which knows neither this flag's key nor the targeting key.
        if self.depth_of_scope > 0:
            return fractional("", rules, self.bucketing)
        self.reads.add(("targetingKey",))
        self.needs_key |= not rules or is_listed(rules[0])
        return fractional(self.flag, rules, self.bucketing)


def _padded(rules: list[Rule], arity: int) -> list[Rule]:
    return [*rules[:arity], *[Constant(None) for _ in range(arity - len(rules))]]


def _stepped(steps: tuple[str, ...], default: Rule) -> Rule:
    if len(steps) > 1:
        return lambda scope: logic.walked(scope, steps, default(scope))
    (name,) = steps

    def variable(scope: object) -> object:
        if isinstance(scope, dict):
            value = scope.get(name)
            return default(scope) if value is None else value
        return logic.walked(scope, steps, default(scope))

    return variable


OPERATORS = frozenset({"if", "?:", "var", "missing", "missing_some", "fractional", *LOOPS, *VARIADIC, *FIXED, *EXACT})
