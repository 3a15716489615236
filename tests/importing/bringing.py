"""How the tests ask: manifests as text in, loaded rules and verdicts out."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from proxy.config import Source, rules
from proxy.importing.gathering import Imported, imported
from proxy.rules import Rules, Service


def bring(*texts: str, targets: Mapping[str, str] | None = None) -> Imported:
    """Import the manifests, which must give rules that load."""
    sources = [Source(f"{number}.yaml", dedent(text).encode()) for number, text in enumerate(texts)]
    found = imported(sources, targets or {})
    assert found.faults == ()
    return found


def loaded(found: Imported) -> Rules:
    """The rules as the proxy reads them."""
    return rules([Source("rules.yaml", found.rules.encode())])


def only(found: Imported) -> Service:
    """The one service that came out."""
    (service,) = loaded(found).services.values()
    return service


def verdict(found: Imported, path: str) -> str:
    """What became of the field, or of the nearest part around it that was answered for as a whole."""
    verdicts = {note.path: note.verdict for note in found.notes if note.verdict != "remark"}
    while path and path not in verdicts:
        path = path.rpartition("[" if path.endswith("]") else ".")[0]
    return verdicts.get(path, "")


def remarks(found: Imported) -> str:
    """All remarks."""
    return "\n".join(note.said for note in found.notes if note.verdict == "remark")
