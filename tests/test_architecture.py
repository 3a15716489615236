"""The architecture: who may know whom, held against the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxy

PACKAGE = Path(proxy.__file__).parent

LINE = (
    *("errors", "units", "model", "values", "flags", "conditions", "strategies", "rules", "settings"),
    *("edits", "targets", "plan", "track", "routing", "table", "explain"),
)
"""The core: each may import only what stands before it."""

NOUNS = {*LINE[: LINE.index("plan") + 1]}
CORE = {*LINE}
STORE = {"overrides", "ledger", "store"}

ARROWS: dict[str, set[str]] = {
    **{part: {*LINE[:position]} for position, part in enumerate(LINE)},
    "analysis": NOUNS,
    "rollout": {*NOUNS, "analysis"},
    "http1": {"errors", "units", "model"},
    "config": {*CORE, "analysis"},
    "importing": {*CORE, "config"},
    "overrides": {"errors", "units", "flags", "strategies", "rules"},
    "ledger": {"errors", "units", "rules", "overrides"},
    "store": {"errors", "units", "flags", "strategies", "rules", "overrides", "ledger"},
    "observe": NOUNS,
    "dataplane": {*NOUNS, "http1", "observe"} - {"conditions", "values", "flags"},
    "processes": {*NOUNS, "observe", "analysis"},
    "supervisor": {"errors", "units", "settings", "processes"},
    "worker": {*CORE, "dataplane", "observe", "processes"},
    "control": {*CORE, *STORE, "config", "observe", "analysis", "rollout", "processes", "kubernetes"},
    "kubernetes": {*CORE, *STORE, "config", "observe", "analysis", "rollout", "control"},
}
"""Which other parts of the package each part may import; a part that is not listed here has no place yet."""

COMPOSERS = {"app", "cli", "demo", "__main__"}
"""They put the program together and may know everybody; nobody knows them."""

IMPURE = {"dataplane", "processes", "supervisor", "worker", "control", "kubernetes", *COMPOSERS}
IMPURE_FILES = {"observe/access_log.py", "observe/log_lines.py", "observe/log_writer.py"}
"""The parts, and the log's files, that may touch the world."""

KNOTTED: set[str] = set()
"""Parts whose files may hold each other: an exchange and the halves it hands its bytes to are one thing in motion."""

WORLD = {"asyncio", "socket", "time", "random", "os", "selectors", "threading", "subprocess", "uvloop"}
HEAVY = {"pydantic", "yaml", "aiohttp", "prometheus_client", "click", "rich", "dns"}


def files() -> list[Path]:
    """Every source file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The part that a file belongs to: its folder or its own name directly below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    """The dotted name under which a file is imported."""
    return ".".join(("proxy", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Everything that a file imports, wherever it says so: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("proxy"))


def parts_imported(path: Path) -> set[str]:
    """The other parts of the package that a file knows."""
    own = {part_of(each) for each in files()}
    found = {name.split(".")[1] for name in imports(path) if name.startswith("proxy.")}
    return (found & own) - {part_of(path), "__init__"}


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if part in COMPOSERS or part == "__init__":
        return
    assert part in ARROWS, f"{part} has no place yet: say in ARROWS what it may know"
    assert parts_imported(path) <= ARROWS[part]


def test_the_two_planes_never_know_each_other() -> None:
    control = {"control", "store", "config", "table", "kubernetes", "overrides", "ledger"}
    for path in files():
        if part_of(path) == "dataplane":
            assert not parts_imported(path) & control
        if part_of(path) in control:
            assert "dataplane" not in parts_imported(path)


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_pure_code_never_touches_the_world(path: Path) -> None:
    if part_of(path) in IMPURE or str(path.relative_to(PACKAGE)) in IMPURE_FILES:
        return
    assert not {name.split(".")[0] for name in imports(path)} & WORLD


def test_only_one_file_knows_the_http_parser() -> None:
    assert {path for path in files() if "httptools" in imports(path)} <= {PACKAGE / "http1" / "parser.py"}


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    known = {module_of(path): path for path in files() if part_of(path) not in KNOTTED}
    edges = {name: {each for each in imports(path) if each in known} - {name} for name, path in known.items()}
    while leaves := [name for name, wanted in edges.items() if not wanted]:
        for leaf in leaves:
            del edges[leaf]
        for wanted in edges.values():
            wanted.difference_update(leaves)
    assert not edges


@pytest.mark.parametrize("module", ["table", "explain", "dataplane.plane", "observe.stats", "supervisor", "worker"])
def test_nothing_heavy_loads_in_a_worker(module: str) -> None:
    program = f"import sys, proxy.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in loaded.split()} & HEAVY
