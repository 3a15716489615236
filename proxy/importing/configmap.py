"""A ConfigMap of flags: each key is a flag, and Shunt reads the object as it is."""

from __future__ import annotations

from proxy.importing.draft import Draft
from proxy.importing.manifest import Manifest

KINDS = (("", "ConfigMap"),)


def read(manifest: Manifest, among: list[Manifest]) -> list[Draft]:
    """No rules of its own: flags are read beside them."""
    entries = manifest.root.at("data")
    for name, part in entries.fields().items():
        part.took(f"flag {name}, in Shunt's flags: `when: {{flag: {{{name}: {part.text()!r}}}}}` asks for it in a rule")
        if not isinstance(part.value, str):
            part.remark('not quite valid: values of a ConfigMap are texts; write "true" in quotes')
    manifest.root.at("binaryData").lacks("flags are texts")
    manifest.root.at("immutable").dropped("a flag is there to be changed")
    if entries:
        entries.remark(f"start with `shunt run --flags {manifest.file}`, or mount the ConfigMap and name the directory")
    return []
