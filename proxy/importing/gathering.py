"""Gathering: texts of manifests in, rules and an account of every field out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import yaml

from proxy.config import Faults, Source
from proxy.config import rules as checked
from proxy.errors import Invalid
from proxy.importing import argo, configmap, deployment, flagger, istio, nginx, service
from proxy.importing.draft import Draft, joined
from proxy.importing.manifest import Json, Manifest, Note
from proxy.importing.order import warn_of_order

SOURCES = (istio, argo, flagger, nginx, service, deployment, configmap)
"""Every kind of manifest that is understood: one module each."""

_READ_WITH_OTHERS = {"DestinationRule", "AnalysisTemplate", "ClusterAnalysisTemplate"}
_LISTS = ("List", "ConfigMapList", "ServiceList")


class Imported(NamedTuple):
    """The text of a rules.yaml, and what became of each field of the manifests."""

    rules: str
    notes: tuple[Note, ...]
    faults: tuple[str, ...]
    """Why the rules need a person before they can be used; empty when they load as they are."""


def imported(sources: Iterable[Source], targets: Mapping[str, str]) -> Imported:
    """The rules for these files; `targets` gives versions (`version`, `service/version`) other addresses.

    Raises Invalid when a file is not YAML or has nothing that is understood.
    """
    manifests = [manifest for source in sources for manifest in _manifests(source)]
    drafts: list[Draft] = []
    is_known = False
    for manifest in manifests:
        for reader in SOURCES:
            if any((manifest.group, manifest.kind) == kind for kind in reader.KINDS):
                drafts += reader.read(manifest, manifests)
                is_known = True
    if not is_known:
        kinds = sorted({kind for reader in SOURCES for _, kind in reader.KINDS})
        raise Invalid(f"there is nothing to import; understood are {', '.join(kinds)}")
    services = joined(drafts)
    for draft in services.values():
        _place(draft, targets)
        warn_of_order(draft)
    for manifest in manifests:
        _warn_of_strangers(manifest)
    written: dict[str, Json] = {"services": {name: draft.written() for name, draft in services.items()}}
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=120)
    notes = tuple(note for manifest in manifests for note in manifest.notes())
    return Imported(text, notes, _faults(text))


def _manifests(source: Source) -> Iterator[Manifest]:
    try:
        documents = list(yaml.safe_load_all(source.content))
    except yaml.YAMLError as error:
        raise Invalid(f"{source.name} is not YAML: {' '.join(str(error).split())}") from error
    for document in documents:
        if not isinstance(document, dict):
            continue
        listed = document.get("items") if document.get("kind") in _LISTS else None
        for each in listed if isinstance(listed, list) else [document]:
            if isinstance(each, dict):
                yield Manifest(each, source.name)


def _place(draft: Draft, targets: Mapping[str, str]) -> None:
    for version in draft.versions:
        given = targets.get(f"{draft.name}/{version}") or targets.get(version)
        if given:
            draft.versions[version] = given


def _warn_of_strangers(manifest: Manifest) -> None:
    known = {kind for reader in SOURCES for kind in reader.KINDS}
    if (manifest.group, manifest.kind) not in known and manifest.kind not in _READ_WITH_OTHERS:
        manifest.root.at("spec").dropped(f"{manifest.kind} says nothing that rules could say")


def _faults(text: str) -> tuple[str, ...]:
    try:
        checked([Source("rules.yaml", text.encode())])
    except Faults as faults:
        return tuple(map(str, faults.faults))
    return ()
