"""A flagd document: flags with states, variants, a default and targeting (flagd.dev/reference/flag-definitions)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from proxy.flags.bucketing import Version
from proxy.flags.fault import Faults, Path, meant
from proxy.flags.flag import Decide, Decision, Flag, Metadata, always, decided, targeted
from proxy.flags.targeting import Targeting, compile_targeting

_DOCUMENT_KEYS = ("flags", "metadata", "$evaluators", "$schema")
_FLAG_KEYS = ("state", "variants", "defaultVariant", "targeting", "metadata", "source", "selector")
_STATES = ("ENABLED", "DISABLED")


class DocumentMetadata(NamedTuple):
    """What a document says about its whole flag set."""

    metadata: Metadata


def compile_document(tree: object, bucketing: Version, faults: Faults) -> Iterator[Flag | DocumentMetadata]:
    """First the document's metadata, then its flags, one by one; what is wrong goes to `faults`."""
    if not isinstance(tree, dict):
        faults.add((), "must be an object with the key `flags`")
        return
    for name in tree:
        if name not in _DOCUMENT_KEYS and not str(name).startswith("$"):
            faults.add((str(name),), f"is no key of a flagd document{meant(str(name), _DOCUMENT_KEYS)}")
    metadata = _metadata(tree.get("metadata"), ("metadata",), faults)
    yield DocumentMetadata(metadata)
    flags = _objects(tree.get("flags"), ("flags",), faults)
    evaluators = _objects(tree.get("$evaluators", {}), ("$evaluators",), faults)
    for key, definition in flags.items():
        flag = _Reader(key, evaluators, metadata, bucketing, faults).read(definition)
        if flag is not None:
            yield flag


class _Reader:
    """Reads one flag's definition."""

    def __init__(
        self, key: str, evaluators: dict[str, object], set_metadata: Metadata, bucketing: Version, faults: Faults
    ) -> None:
        self.key = key
        self.evaluators = evaluators
        self.set_metadata = set_metadata
        self.bucketing = bucketing
        self.faults = faults
        self.path: Path = ("flags", key)

    def read(self, definition: object) -> Flag | None:
        """The flag, or None when it has faults."""
        before = len(self.faults.found)
        if not isinstance(definition, dict):
            self.faults.add(self.path, "must be an object with `state`, `variants` and `defaultVariant`")
            return None
        for name in definition:
            if name not in _FLAG_KEYS:
                self.faults.add((*self.path, str(name)), f"is no key of a flag{meant(str(name), _FLAG_KEYS)}")
        if definition.get("state") not in _STATES:
            self.faults.add((*self.path, "state"), f"{definition.get('state')!r} is neither ENABLED nor DISABLED")
        variants = self._variants(definition.get("variants"))
        default = self._default(definition.get("defaultVariant"), variants)
        metadata = {**self.set_metadata, **_metadata(definition.get("metadata"), (*self.path, "metadata"), self.faults)}
        targeting = self._targeting(definition.get("targeting"))
        if len(self.faults.found) > before:
            return None
        is_enabled = definition["state"] == "ENABLED"
        decide = self._decide(variants, default, metadata, targeting) if is_enabled else _disabled(metadata)
        reads = targeting.reads if targeting and is_enabled else frozenset()
        written = "targeting" if targeting else default or "no default"
        return Flag(self.key, decide, "flagd", self.faults.file, written, variants, metadata, is_enabled, reads)

    def _decide(
        self, variants: Mapping[str, object], default: str | None, metadata: Metadata, targeting: Targeting | None
    ) -> Decide:
        decisions = {name: decided(value, name, metadata) for name, value in variants.items()}
        # Without a default variant the application's own default answers.
        fallback = decisions[default] if default else Decision(None, None, "DEFAULT", metadata)
        return targeted(self.key, targeting, decisions, fallback) if targeting else always(fallback)

    def _targeting(self, tree: object) -> Targeting | None:
        if tree is None or tree == {}:
            return None
        return compile_targeting(self.key, tree, self.evaluators, self.bucketing, self.faults)

    def _variants(self, tree: object) -> dict[str, object]:
        path = (*self.path, "variants")
        variants = _objects(tree, path, self.faults)
        if isinstance(tree, dict) and not tree:
            self.faults.add(path, "must name at least one variant")
        for name, value in variants.items():
            if value is None:
                self.faults.add((*path, name), "null is no value; leave the default variant out to mean none")
        return _as_floats(variants)

    def _default(self, said: object, variants: Mapping[str, object]) -> str | None:
        path = (*self.path, "defaultVariant")
        if said is None or said == "":
            return None
        name = str(said).lower() if isinstance(said, bool) else said
        if not isinstance(name, str):
            self.faults.add(path, f"{said!r} is not the name of a variant")
            return None
        if variants and name not in variants:
            self.faults.add(path, f"{name!r} is not one of its variants{meant(name, variants)}")
        return name


def _disabled(metadata: Metadata) -> Decide:
    return always(Decision(None, None, "DISABLED", metadata))


def _as_floats(variants: dict[str, object]) -> dict[str, object]:
    """Of a flag with floats every number is one: an SDK that asks for a float takes no integer."""
    numbers = [value for value in variants.values() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) < len(variants) or not any(isinstance(value, float) for value in numbers):
        return variants
    return {name: float(value) for name, value in zip(variants, numbers, strict=True)}


def _objects(tree: object, path: Path, faults: Faults) -> dict[str, object]:
    if not isinstance(tree, dict):
        faults.add(path, "is missing" if tree is None else "must be an object")
        return {}
    return {str(name): value for name, value in tree.items()}


def _metadata(tree: object, path: Path, faults: Faults) -> dict[str, bool | float | str]:
    found: dict[str, bool | float | str] = {}
    if tree is None:
        return found
    for name, value in _objects(tree, path, faults).items():
        if isinstance(value, (bool, int, float, str)):
            found[name] = value
        else:
            faults.add((*path, name), "must be a text, a number, true or false")
    return found
