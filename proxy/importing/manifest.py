"""Manifests: objects of a cluster, each with an account in which every field is answered for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Path = tuple[str | int, ...]
Verdict = Literal["taken over", "no counterpart", "dropped", "remark"]
"""`dropped`: it means something, but not for who answers, or it cannot be said in rules."""


class Note(NamedTuple):
    """What became of one field, or a remark about it."""

    manifest: str
    path: str
    verdict: Verdict
    said: str = ""

    def __str__(self) -> str:
        said = f": {self.said}" if self.said else ""
        return f"{self.manifest}: {self.path or 'as a whole'}: {self.verdict}{said}"


class Part:
    """One place in a manifest. Whoever reads it says what became of it; what nobody mentions is dropped."""

    __slots__ = ("_account", "path", "value")

    def __init__(self, account: Account, path: Path, value: Json) -> None:
        self._account = account
        self.path = path
        self.value = value

    def __bool__(self) -> bool:
        """Whether something stands there."""
        return self.value is not None

    def at(self, *steps: str | int) -> Part:
        """The part below; an absent one is false, and nothing can be said about it."""
        value = self.value
        for step in steps:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step] if step < len(value) else None
            else:
                value = None
        return Part(self._account, (*self.path, *steps), value)

    def items(self) -> list[Part]:
        """The items of a list."""
        return [self.at(index) for index in range(len(self.value))] if isinstance(self.value, list) else []

    def fields(self) -> dict[str, Part]:
        """The fields of a mapping."""
        return {key: self.at(key) for key in self.value} if isinstance(self.value, dict) else {}

    def text(self, default: str = "") -> str:
        """The value as text, whichever scalar it is."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return str(self.value) if isinstance(self.value, (str, int, float)) else default

    def number(self, default: float = 0.0) -> float:
        """The value as a number, also of quoted digits."""
        try:
            return default if isinstance(self.value, bool) else float(str(self.value))
        except ValueError:
            return default

    def took(self, said: str = "") -> Part:
        """It is in the rules."""
        return self._note("taken over", said)

    def lacks(self, said: str = "") -> Part:
        """Shunt has nothing like it."""
        return self._note("no counterpart", said)

    def dropped(self, said: str) -> Part:
        """It is left out, for this reason."""
        return self._note("dropped", said)

    def remark(self, said: str) -> None:
        """Something that a person should know, even about a field that is not there."""
        self._account.remarks.append((self.path, said))

    def _note(self, verdict: Verdict, said: str) -> Part:
        if self.value is not None:
            if verdict != "taken over":
                self._account.take_back(self.path)
            self._account.verdicts[self.path] = (verdict, said)
        return self


class Account:
    """What was said about the parts of one manifest."""

    def __init__(self) -> None:
        self.verdicts: dict[Path, tuple[Verdict, str]] = {}
        self.remarks: list[tuple[Path, str]] = []

    def take_back(self, path: Path) -> None:
        """What is left out as a whole was not taken over in its parts."""
        taken = [each for each, (verdict, _) in self.verdicts.items() if verdict == "taken over"]
        for each in taken:
            if each[: len(path)] == path:
                del self.verdicts[each]


class Manifest:
    """One object, such as `VirtualService my-app`."""

    def __init__(self, content: dict[str, Json], file: str) -> None:
        self._account = Account()
        self.root = Part(self._account, (), content)
        self.file = file
        self.kind = self.root.at("kind").text("?")
        self.group = self.root.at("apiVersion").text().rpartition("/")[0]
        self.name = self.root.at("metadata", "name").text("unnamed")
        self.namespace = self.root.at("metadata", "namespace").text()
        for steps in (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")):
            self.root.at(*steps).took()

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.file})"

    def host(self, service: str) -> str:
        """The DNS name of a Service of the same namespace; a name with dots is one already."""
        return f"{service}.{self.namespace}" if self.namespace and "." not in service else service

    def notes(self) -> Iterator[Note]:
        """Every field with its verdict in the order of the manifest, then the remarks."""
        yield from self._verdicts((), self.root.value)
        for path, said in dict.fromkeys(self._account.remarks):
            yield Note(str(self), dotted(path), "remark", said)

    def _verdicts(self, path: Path, value: Json) -> Iterator[Note]:
        spoken = self._account.verdicts
        if path in spoken:
            yield Note(str(self), dotted(path), *spoken[path])
        elif not any(each[: len(path)] == path for each in spoken):
            yield Note(str(self), dotted(path), "dropped", _reason(path))
            return
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, below in inner:
            if path not in spoken or (*path, key) in spoken:
                yield from self._verdicts((*path, key), below)


def dotted(path: Path) -> str:
    """A path as people write it: `spec.http[0].route`; a key with dots stands in quotes."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        else:
            word = f'"{step}"' if "." in step else step
            written += f".{word}" if written else word
    return written


def _reason(path: Path) -> str:
    if path[0] in ("metadata", "status"):
        return "the cluster's own, not about who answers"
    return "not about who answers, or not known to the importer"
