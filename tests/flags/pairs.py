"""Random flags and contexts: everything that flagd documents can say, and what people do wrong in them."""

from __future__ import annotations

import json
import random

Json = object

TEXTS = [
    "",
    "a",
    "user-1",
    "Grüße",
    "日本",
    "🚀",
    "pro",
    "user@example.com",
    "1.2.3",
    "v2.0.0-rc.1",
    "10",
    "0",
    "true",
    " 7 ",
]
NUMBERS: list[Json] = [
    0,
    1,
    -1,
    2,
    7,
    100,
    2**31,
    2**53,
    2**63,
    2**64,
    -(2**63),
    0.5,
    -0.5,
    1.0,
    2.5,
    1e300,
    5e-324,
    65504.0,
    0.1,
]
KEYS = ["user-1", "u", "", None, "Zoë", "用户", "🚀", "x" * 30, "x" * 300]
PATHS = [
    "plan",
    "age",
    "email",
    "version",
    "tags",
    "tags.1",
    "tags.length",
    "user.id",
    "nobody",
    "user",
    "targetingKey",
    "$flagd.flagKey",
    "name.0",
    "",
]
FLAG_KEYS = ["new-checkout", "größe", "旗", "f", "a.b", "k" * 40, "with space"]
VARIANTS: list[dict[str, Json]] = [
    {"on": True, "off": False},
    {"true": "yes", "false": "no"},
    {"red": "#f00", "blue": "#00f", "grün": "#0f0"},
    {"1": 1, "2": 2, "3": 3},
    {"low": 0.5, "high": 1.5},
    {"small": {"size": 1}, "large": {"size": [1, 2]}},
]
SEM_VER = ["=", "!=", "<", "<=", ">", ">=", "^", "~", "?"]
VERSIONS: list[Json] = [
    "1.2.3",
    "v1.2.3",
    "1.2",
    "1",
    "2.0.0-alpha.1",
    "2.0.0-alpha.beta",
    "2.0.0-1",
    "2.0.0+b1",
    "01.2.3",
    "x",
    "",
    None,
    1.2,
    3,
    "1.2.3.4",
]


def document(dice: random.Random, flags: int) -> dict[str, Json]:
    """A flagd document of so many flags."""
    evaluators = {name: _evaluator(dice) for name in ("is-pro", "is_old")}
    return {
        "flags": {f"{dice.choice(FLAG_KEYS)}-{n}": flag(dice) for n in range(flags)},
        "$evaluators": evaluators,
        "metadata": {"team": "shop", "n": 1},
    }


def _evaluator(dice: random.Random) -> Json:
    # The oracle pastes evaluators in as regular expression templates: it cannot take a backslash.
    while "\\" in json.dumps(rule := condition(dice, 1)):
        pass
    return rule


def flag(dice: random.Random) -> dict[str, Json]:
    variants = dice.choice(VARIANTS)
    made: dict[str, Json] = {"state": dice.choice(["ENABLED"] * 15 + ["DISABLED"]), "variants": variants}
    if dice.random() < 0.9:
        made["defaultVariant"] = dice.choice(list(variants))
    if dice.random() < 0.95:
        made["targeting"] = targeting(dice, list(variants), 3)
    if dice.random() < 0.3:
        made["metadata"] = {"owner": "a", "n": 2}
    return made


def targeting(dice: random.Random, variants: list[str], depth: int) -> Json:
    draw = dice.random()
    if draw < 0.45:
        return {"fractional": shares(dice, variants, depth)}
    if draw < 0.9 and depth:
        branches: list[Json] = []
        for _ in range(dice.randint(1, 2)):
            branches += [condition(dice, 2), outcome(dice, variants, depth - 1)]
        if dice.random() < 0.7:
            branches.append(outcome(dice, variants, depth - 1))
        return {dice.choice(["if", "if", "?:"]): branches}
    if draw < 0.95:
        return condition(dice, 2)
    return {dice.choice(["or", "and"]): [condition(dice, 1), dice.choice(variants)]}


def outcome(dice: random.Random, variants: list[str], depth: int) -> Json:
    draw = dice.random()
    if draw < 0.5:
        return dice.choice([*variants, *variants, "no-variant", None, True, 1])
    return targeting(dice, variants, depth) if depth > 0 else dice.choice(variants)


def shares(dice: random.Random, variants: list[str], depth: int) -> list[Json]:
    made: list[Json] = []
    if dice.random() < 0.4:
        made.append(bucketing_key(dice))
    for name in dice.sample(variants, dice.randint(1, len(variants))):
        variant: Json = outcome(dice, variants, 0) if depth and dice.random() < 0.1 else name
        draw = dice.random()
        if draw < 0.15:
            made.append([variant])
        elif draw < 0.2:
            made.append([variant, dice.choice([25.0, "5", True, None, 2**31, -5, {"+": [1, 2]}, {"var": "age"}])])
        elif draw < 0.22:
            made.append(dice.choice([[], [variant, 1, 2], "share"]))
        else:
            made.append([variant, dice.choice([0, 0, 1, 10, 25, 50, 99, 1000, 2**30])])
    return made


def bucketing_key(dice: random.Random) -> Json:
    return dice.choice(
        [
            {"var": "email"},
            {"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]},
            {"var": dice.choice(PATHS[:-1])},  # not the whole context: it holds the time
            {"merge": [dice.choice(TEXTS), 5]},
            dice.choice(TEXTS),
            dice.choice(NUMBERS),
            None,
            True,
        ]
    )


def condition(dice: random.Random, depth: int) -> Json:
    choices = [_comparison, _text_test, _sem_ver, _missing]
    if depth:
        choices += [_junction, _loop]
    return dice.choice(choices)(dice, depth)


def _comparison(dice: random.Random, depth: int) -> Json:
    operator = dice.choice(["==", "!=", "===", "!==", "<", "<=", ">", ">="])
    operands = [value(dice, depth), value(dice, depth)]
    if operator in ("<", "<=", ">", ">=") and dice.random() < 0.2:
        operands.append(value(dice, depth))
    return {operator: operands}


def _text_test(dice: random.Random, depth: int) -> Json:
    operator = dice.choice(["starts_with", "ends_with", "in"])
    operands = [value(dice, depth), value(dice, depth)]
    return {operator: operands if dice.random() < 0.95 else operands[:1]}


def _sem_ver(dice: random.Random, depth: int) -> Json:
    left: Json = {"var": "version"} if dice.random() < 0.5 else dice.choice(VERSIONS)
    return {"sem_ver": [left, dice.choice(SEM_VER), dice.choice(VERSIONS)]}


def _missing(dice: random.Random, depth: int) -> Json:
    keys: list[Json] = [dice.choice(PATHS[:-1]) for _ in range(dice.randint(0, 3))]
    return dice.choice(
        [{"missing": keys}, {"missing": [keys]}, {"missing_some": [dice.randint(0, 3), keys]}, {"missing": "plan"}]
    )


def _junction(dice: random.Random, depth: int) -> Json:
    return dice.choice(
        [
            {"and": [condition(dice, depth - 1), condition(dice, depth - 1)]},
            {"or": [condition(dice, depth - 1), condition(dice, depth - 1)]},
            {"!": [condition(dice, depth - 1)]},
            {"!!": value(dice, depth - 1)},
            {"$ref": dice.choice(["is-pro", "is_old"])} if depth > 1 else {"!": [value(dice, 0)]},
        ]
    )


def _loop(dice: random.Random, depth: int) -> Json:
    items: Json = {"var": "tags"} if dice.random() < 0.6 else [value(dice, 0) for _ in range(dice.randint(0, 3))]
    body: Json = {dice.choice(["==", "<", "in"]): [{"var": ""}, value(dice, 0)]}
    return dice.choice(
        [
            {"some": [items, body]},
            {"all": [items, body]},
            {"none": [items, body]},
            {"!!": [{"filter": [items, body]}]},
            {"in": [value(dice, 0), {"map": [items, body]}]},
            {">": [{"reduce": [items, {"+": [{"var": "accumulator"}, {"var": "current"}]}, 0]}, 1]},
            {"all": [items]},
        ]
    )


def value(dice: random.Random, depth: int) -> Json:
    draw = dice.random()
    if draw < 0.35:
        path = dice.choice(PATHS)
        return {"var": dice.choice([path, [path], [path, dice.choice(TEXTS)]])}
    if draw < 0.55:
        return dice.choice(TEXTS)
    if draw < 0.75:
        return dice.choice(NUMBERS)
    if draw < 0.85 or not depth:
        return dice.choice([None, True, False, [], ["a", 1], {"two": 1, "keys": 2}])
    return dice.choice(
        [
            {dice.choice(["+", "*", "min", "max"]): [value(dice, 0) for _ in range(dice.randint(0, 3))]},
            {dice.choice(["-", "/", "%"]): [value(dice, 0), value(dice, 0)]},
            {"-": [value(dice, 0)]},
            {"cat": [value(dice, 0), value(dice, 0)]},
            {"merge": [value(dice, 0), value(dice, 0)]},
            {
                "substr": [
                    value(dice, 0),
                    dice.choice([0, 1, -1, -2.5, -0.5, 3, "1", None]),
                    dice.choice([0, 1, -1, -0.5, None, "x"]),
                ]
            },
            {"var": [{"cat": ["pl", "an"]}]},
            {"var": dice.choice([0, 1, 1.5, True])},
        ]
    )


def context(dice: random.Random) -> tuple[str | None, dict[str, Json]]:
    """A targeting key, perhaps none, and attributes."""
    attributes: dict[str, Json] = {}
    for name, choices in (
        ("plan", TEXTS),
        ("age", NUMBERS),
        ("email", [*TEXTS, *NUMBERS]),
        ("version", VERSIONS),
        ("tags", [[], ["a"], ["a", "pro", 7], "text", [[1], {"x": 1}]]),
        ("user", [{"id": 1}, {"id": "a", "big": {"b": 1, "aa": [1.5, None, True]}}, None, []]),
        ("name", ["Zoë", "", 5]),
    ):
        if dice.random() < 0.75:
            attributes[name] = dice.choice(list(choices))
    return dice.choice(KEYS) if dice.random() < 0.5 else f"user-{dice.randint(0, 10**6)}", attributes
