"""YAML 1.2 as editors read it: `on` is a text, only `true` and `false` are booleans."""

from __future__ import annotations

import re

import yaml


class EditorLoader(yaml.SafeLoader):
    """A loader with the booleans of YAML 1.2's core schema."""


EditorLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def as_editors_read(text: str) -> object:
    """The plain values of one document."""
    return yaml.load(text, EditorLoader)
