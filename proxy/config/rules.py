"""The rules: files in, checked values out, or one error that names every fault of them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path as FilePath

from pydantic import TypeAdapter

from proxy.config.checks.services import check_services
from proxy.config.faults import Fault, Faults, Path, meant
from proxy.config.files import Source, read
from proxy.config.inheritance import merged
from proxy.config.longhand import written_out
from proxy.config.reader import parse
from proxy.config.shape import shape
from proxy.config.tree import Branch, Items, Node, Report, branch, items
from proxy.config.values import validated
from proxy.rules import Route, Rules, Service

SERVICES = "services"

SLICE_ROUTES = 100
"""How many routes are validated at one go, which holds the interpreter: so that a thread never stalls the loop."""

_SERVICE = TypeAdapter(Service)
_ROUTES = TypeAdapter(tuple[Route, ...])


def load(path: str | FilePath) -> Rules:
    """The rules in a file, or in all `*.yaml` of a directory; Faults if there is anything wrong."""
    return rules(read(FilePath(path)))


def rules(sources: Iterable[Source]) -> Rules:
    """The rules that the files say together; Faults with all that is wrong in any of them."""
    faults: list[Fault] = []
    root = _joined(sources, faults)
    report = Report(root)
    services = _services(root, report)
    faults += report.faults
    _take_apart(root)
    if faults:
        raise Faults(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return Rules(services=services)


def _joined(sources: Iterable[Source], faults: list[Fault]) -> Branch:
    """One tree of all files; a service belongs to the file that defines it first."""
    root, services = Branch(), Branch()
    root.put(SERVICES, services, 1)
    is_said = False
    for source in sources:
        root.file = root.file or source.name
        before = len(faults)
        tree = parse(source, faults)
        is_said |= len(faults) > before
        for key, value in (tree or {}).items():
            line = tree.lines[key] if tree else 1
            if key != SERVICES:
                cure = meant(key, (SERVICES,), what="all rules stand under")
                faults.append(Fault(source.name, line, key, "unknown key", cure))
            else:
                _join(source.name, value, line, services, faults)
            is_said = True
    if not is_said:
        # A file that is being written is empty for a moment; that must not take everything down.
        faults.append(Fault(root.file, 1, "", "says nothing", "write `services: {}` if there shall be none"))
    return root


def _join(file: str, node: Node, line: int, services: Branch, faults: list[Fault]) -> None:
    if not isinstance(node, Branch):
        faults.append(Fault(file, line, SERVICES, "is not a mapping", "write each service below it, by its name"))
        return
    for name, service in node.items():
        path = f"{SERVICES}.{name}"
        if name in services:
            first = services[name]
            where = f"{first.file}:{services.lines[name]}" if isinstance(first, Branch) else "another file"
            faults.append(Fault(file, node.lines[name], path, f"is defined in {where} too", "keep one of them"))
        elif isinstance(service, Branch):
            service.file = file
            services.put(name, service, node.lines[name])
        else:
            faults.append(Fault(file, node.lines[name], path, "is not a mapping", "give it hosts and versions"))


def _services(root: Branch, report: Report) -> dict[str, Service]:
    services = branch(root, SERVICES)
    wanted = shape(Service)
    for name, service in services.items():
        if isinstance(service, Branch) and service.pop("name", None) is not None:
            report.add((SERVICES, name, "name"), "a service is named by its key", "take it out")
        written_out(service, wanted, (SERVICES, name), report, services.lines[name])
    found: dict[str, Service] = {}
    for name, service in services.items():
        value = _service(name, service, (SERVICES, name), report)
        if value is not None and isinstance(service, Branch):
            found[name] = merged(value, service)
    check_services(services, report)
    return found


def _service(name: str, node: Node, path: Path, report: Report) -> Service | None:
    if not isinstance(node, Branch):
        return None
    routes = node.get("routes")
    plain = {**node, "name": name}
    plain.pop("routes", None)
    service = validated(_SERVICE, plain, path, report)
    found = _routes(routes, (*path, "routes"), report) if isinstance(routes, Items) else ()
    return replace(service, routes=found) if service is not None else None


def _routes(nodes: Items, path: Path, report: Report) -> tuple[Route, ...]:
    found: list[Route] = []
    for start in range(0, len(nodes), SLICE_ROUTES):
        batch = list(islice(nodes, start, start + SLICE_ROUTES))
        valid = validated(_ROUTES, batch, path, report, first=start)
        found += valid if valid is not None else ()
    return tuple(found)


def _take_apart(root: Branch) -> None:
    """Free the tree branch by branch: freed at one go it would hold the interpreter for too long."""
    services = branch(root, SERVICES)
    for service in services.values():
        routes = items(service, "routes")
        while routes:
            routes.pop()
