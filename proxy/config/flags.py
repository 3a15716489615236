"""Flags are read from a directory in which each file is a flag, from flagd documents, and from the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from proxy.config.faults import Fault, Faults, dotted
from proxy.config.files import Source, files_of, read
from proxy.config.typed import Malformed, line_of, typed
from proxy.flags.bucketing import Version
from proxy.flags.fault import BrokenFlags, FlagFault
from proxy.flags.flagset import Document, FlagSet, Plain, Sources, compiled
from proxy.flags.plain import json_value

ENVIRONMENT_PREFIX = "SHUNT_FLAG_"
"""`SHUNT_FLAG_NEW_CHECKOUT=true` is the flag NEW_CHECKOUT, unless a file says something else."""
MAX_FILE_BYTES = 1 << 20
"""What fits into a ConfigMap."""

_DOCUMENTS = (".flagd.json", ".flagd.yaml", ".flagd.yml")
_YAML = (".yaml", ".yml")
_LEFTOVERS = ("~", ".swp", ".tmp", ".bak")


def load_flags(
    where: str, environ: Mapping[str, str], bucketing: Version = "v3", overrides: Mapping[str, str] | None = None
) -> FlagSet:
    """The flags of a directory or of one file, "" for none, and of the environment; Faults names every fault.

    This reads files and parses YAML: keep it off an event loop.
    """
    sources = read(Path(where), listed) if where else ()
    return flags(sources, environ, bucketing, overrides)


def listed(path: Path) -> list[tuple[str, Path]]:
    """The files in which flags are looked for; OSError if the path cannot be read."""
    return files_of(path, is_flags_name)


def flags(
    sources: Iterable[Source],
    environ: Mapping[str, str],
    bucketing: Version = "v3",
    overrides: Mapping[str, str] | None = None,
) -> FlagSet:
    """The flags of these files and of the environment; Faults names every fault."""
    reader = _Reader()
    for source in sources:
        reader.read(source)
    known = {flag.key for flag in reader.plain}
    plain = [*reader.plain, *(flag for flag in _from_environment(environ) if flag.key not in known)]
    made = Sources(
        bucketing=bucketing,
        plain=_without(plain, reader.documents),
        documents=tuple(reader.documents),
        overrides=tuple(sorted((overrides or {}).items())),
    )
    try:
        found = compiled(made)
    except BrokenFlags as broken:
        raise Faults([*reader.faults, *map(reader.located, broken.faults)]) from broken
    if reader.faults:
        raise Faults(reader.faults)
    return found


def is_flags_name(name: str) -> bool:
    """Every file is a flag, but for what Kubernetes and editors leave behind."""
    return not name.startswith(".") and not name.endswith(_LEFTOVERS)


def _from_environment(environ: Mapping[str, str]) -> Iterator[Plain]:
    for name, text in sorted(environ.items()):
        if name.startswith(ENVIRONMENT_PREFIX) and name != ENVIRONMENT_PREFIX:
            yield Plain(name.removeprefix(ENVIRONMENT_PREFIX), text, "environment")


def _without(plain: list[Plain], documents: list[Document]) -> tuple[Plain, ...]:
    """A variable of the environment gives way to a document's flag, too."""
    written = Sources(documents=tuple(documents))
    return tuple(flag for flag in plain if flag.source != "environment" or written.said(flag.key) is None)


class _Reader:
    """Reads files one by one and collects what is wrong with them."""

    def __init__(self) -> None:
        self.plain: list[Plain] = []
        self.documents: list[Document] = []
        self.faults: list[Fault] = []
        self._texts: dict[str, str] = {}

    def read(self, source: Source) -> None:
        """The flags of one file."""
        if len(source.content) > MAX_FILE_BYTES:
            self._fault(source.name, f"is longer than {MAX_FILE_BYTES >> 20} MiB")
            return
        try:
            text = source.content.decode()
        except UnicodeDecodeError:
            self._fault(source.name, "is not UTF-8")
            return
        self._entry(Path(source.name).name, text, source.name)

    def located(self, fault: FlagFault) -> Fault:
        """The fault with the line at which it stands, where the file has lines."""
        text = self._texts.get(fault.file, "")
        return Fault(fault.file, line_of(text, fault.path), dotted(fault.path), fault.wrong)

    def _entry(self, name: str, text: str, source: str) -> None:
        if name.endswith(_DOCUMENTS):
            self._document(name, text, source)
        elif name.endswith((*_YAML, ".json")):
            self._manifest(name, text, source)
        else:
            self.plain.append(Plain(name, text, source))

    def _document(self, name: str, text: str, source: str) -> None:
        self._texts[source] = text
        parsed = self._parsed(name, text, source)
        if parsed is not None:
            self.documents.append(Document(source, parsed))

    def _manifest(self, name: str, text: str, source: str) -> None:
        """A ConfigMap's data; other JSON is a flag, as every file is one, other YAML a mistake."""
        tree = self._parsed(name, text, source)
        if isinstance(tree, dict) and tree.get("kind") == "ConfigMap":
            for key, value in _mapping(tree.get("data")).items():
                # People forget the quotes; kubectl would refuse it, and what is meant is plain.
                written = value if isinstance(value, str) else json.dumps(value)
                self._entry(key, written, f"{source}#{key}" if key.endswith(_DOCUMENTS) else source)
        elif isinstance(tree, dict) and isinstance(tree.get("flags"), dict):
            self._fault(source, f"looks like a flagd document; name it {Path(name).stem}.flagd{Path(name).suffix}")
        elif name.endswith(".json") and tree is not None:
            self.plain.append(Plain(name, text, source))
        elif tree is not None:
            self._fault(source, "is neither a ConfigMap manifest nor a flagd document (*.flagd.yaml)")

    def _parsed(self, name: str, text: str, source: str) -> object:
        """The file's tree; None after a fault."""
        parse: Callable[[str], object] = json_value if name.endswith(".json") else typed
        try:
            tree = parse(text)
        except ValueError as fault:
            self._fault(source, str(fault), fault.line if isinstance(fault, Malformed) else 0)
            return None
        if tree is None:
            self._fault(source, "is empty")
        return tree

    def _fault(self, source: str, wrong: str, line: int = 0) -> None:
        self.faults.append(Fault(source, line, "", wrong))


def _mapping(tree: object) -> dict[str, object]:
    return {str(name): value for name, value in tree.items()} if isinstance(tree, dict) else {}
