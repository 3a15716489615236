"""An editor that follows the schema is right about the rules: it takes what the loader takes."""

from __future__ import annotations

from typing import Literal

import jsonschema_rs
import pytest

from proxy.config import Faults, Source, rules, schema
from tests.config.editors import as_editors_read


@pytest.mark.parametrize("name", ["rules", "settings"])
def test_a_schema_is_a_schema(name: Literal["rules", "settings"]) -> None:
    jsonschema_rs.meta.validate(schema(name))


FRAME = "services: {{s: {{hosts: a.example, versions: {{blue: 'http://a:1', green: ['http://b:1']}}, {0}}}}}"

GOOD = [
    "rolling: blue",
    "rolling: {version: blue}",
    "blue_green: {active: blue, preview: {version: green, when: {header: {x-preview: 1}}}}",
    "canary: {stable: blue, candidate: green, weight: 0.1}",
    "canary: {stable: blue, candidate: green, weight: 10%}",
    "canary: {weights: {blue: 80, green: 15}}",
    "rolling: blue, flags: {name: f, version: green, when: {path: /x, method: GET, percent: 5, flag: {new: on}}}",
    "rolling: blue, flags: [{name: f, version: green, when: {header: {x: {present: true}}, cookie: {a: true}}}]",
    "rolling: blue, flags: [{name: f, version: green, when: {any: [{query: {v: 2}}], not: {client: 10.0.0.0/8}}}]",
    "rolling: blue, shadow: green, flags: ",
    "rolling: blue, shadow: [{version: green, percent: 25, max_body: 1MiB, timeout: 5s, host: target}]",
    "rolling: blue, timeouts: {connect: 1s, response: 30, idle: 1m30s, request: 0s}",
    "rolling: blue, retries: {attempts: 3, on: [connect, reset, 502, 503], budget: 20%}, rescue: true",
    "rolling: blue, health: /healthz, eject: {after: 5, for: 10s, max: 50%}, pool: {idle: 4s}",
    "rolling: blue, limits: {max_body: 0}, balance: hash, headers: {request: {set: {x: 1}, remove: y}}",
    "rolling: blue, redirect: {scheme: https, status: 301}, expose_version: true",
    "rolling: blue, routes: [{name: a, match: {path: {prefix: /a}}, rewrite: {prefix: /}}, {name: b}]",
    "canary: {stable: blue, candidate: green}, progressive: {steps: [{setWeight: 20}, {pause: 10m}, {pause: {}}]}",
]

BAD = [
    "rollin: blue",
    "canary: {stable: [blue]}",
    "timeouts: {connect: soon}",
    "timeouts: 5",
    "retries: {on: connet}",
    "balance: best",
    "routes: [{match: {}}]",
    "flags: [{name: a, version: blue}]",
    "rescue: perhaps",
]


def editor_takes(text: str) -> bool:
    return jsonschema_rs.validator_for(schema("rules")).is_valid(as_editors_read(text))


@pytest.mark.parametrize("policy", GOOD)
def test_what_the_loader_takes_the_editor_takes(policy: str) -> None:
    text = FRAME.format(policy)
    assert rules([Source("r", text.encode())]).services
    assert editor_takes(text)


@pytest.mark.parametrize("policy", BAD)
def test_what_the_editor_refuses_the_loader_refuses(policy: str) -> None:
    text = FRAME.format(policy)
    assert not editor_takes(text)
    with pytest.raises(Faults):
        rules([Source("r", text.encode())])
