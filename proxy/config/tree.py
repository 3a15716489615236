"""The tree: what a file says, all of it still text, and where each part of it stands.

Nothing is a number or a boolean here. What a text means its place says, so `x-beta: true` and version
`1.10` are what their author wrote.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.config.faults import Fault, Path, dotted


class Branch(dict[str, "Node"]):
    """A mapping; `lines` says where each key stands, `file` where the branch comes from if that is news."""

    __slots__ = ("file", "line", "lines")

    def __init__(self, line: int = 1, file: str = "") -> None:
        super().__init__()
        self.line = line
        self.file = file
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: Node, line: int) -> None:
        """Set a key that stands in the given line."""
        self[key] = value
        self.lines[key] = line

    def drop(self, key: str) -> None:
        """Forget a key, but not where it stood."""
        del self[key]


class Items(list["Node"]):
    """A list; `lines` says where each item stands."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []

    def put(self, value: Node, line: int) -> None:
        """Append an item that stands in the given line."""
        self.append(value)
        self.lines.append(line)


Node = Branch | Items | str | int | None
"""An int only where the model wants one of a few numbers."""

NOTHING = Branch()
NO_ITEMS = Items()


def branch(node: Node, key: str) -> Branch:
    """The mapping below a key; an empty one if there is something else, which is a fault found elsewhere."""
    found = node.get(key) if isinstance(node, Branch) else None
    return found if isinstance(found, Branch) else NOTHING


def items(node: Node, key: str) -> Items:
    """The list below a key; an empty one if there is something else."""
    found = node.get(key) if isinstance(node, Branch) else None
    return found if isinstance(found, Items) else NO_ITEMS


def text(node: Node, key: str) -> str | None:
    """The text below a key; None if there is something else."""
    found = node.get(key) if isinstance(node, Branch) else None
    return found if isinstance(found, str) else None


def texts(node: Node, key: str) -> list[tuple[int, str]]:
    """The texts of a list below a key, each with its index."""
    return [(index, item) for index, item in enumerate(items(node, key)) if isinstance(item, str)]


class Place(NamedTuple):
    """Where something stands."""

    file: str
    line: int


def place(root: Branch, path: Path) -> Place:
    """Where the path stands, or the nearest part of it that does."""
    node: Node = root
    file, line = root.file, root.line
    for step in path:
        if isinstance(node, Branch) and isinstance(step, str):
            line = node.lines.get(step, line)
            node = node.get(step)
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node):
            line = node.lines[step]
            node = node[step]
        else:
            break
        if isinstance(node, Branch) and node.file:
            file = node.file
    return Place(file, line)


class Report:
    """Collects the faults of a tree, at most one for each path."""

    def __init__(self, root: Branch) -> None:
        self.root = root
        self.faults: list[Fault] = []
        self.origins: dict[Path, Place] = {}
        """Where the values come from that stand in no file."""
        self._seen: set[Path] = set()

    def add(self, path: Path, wrong: str, cure: str = "") -> None:
        """One more fault, unless its path has one already."""
        if path not in self._seen:
            self._seen.add(path)
            self.faults.append(Fault(*self._place(path), dotted(path), wrong, cure))

    def _place(self, path: Path) -> Place:
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return place(self.root, path)
