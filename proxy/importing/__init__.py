"""Importing: what a cluster says about its traffic, in the words of rules.yaml."""

from __future__ import annotations

from proxy.importing.gathering import Imported, imported
from proxy.importing.manifest import Note

__all__ = ["Imported", "Note", "imported"]
