"""The stage: an origin, the peers in front of it, all running at once and checked to do the same work."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers, traffic
from bench.peers import Peer, Place
from bench.processes import Child, Cores, Failed, ask, free_port

ANSWER_BYTES = 1024
LARGE_BYTES = 1 << 20


@dataclass(frozen=True)
class Running:
    """A peer that answers on its port."""

    peer: Peer
    place: Place
    child: Child

    @property
    def name(self) -> str:
        """The peer's name, as tables show it."""
        return self.peer.name

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.place.listen


@dataclass(frozen=True)
class Stage:
    """Where peers are put up, in front of one origin, until the context ends."""

    folder: Path
    cores: Cores
    stable: int
    candidate: int
    _children: ExitStack

    def start(
        self, peer: Peer, *, wrapper: Sequence[str] = (), seconds: float = 20.0, cores: frozenset[int] | None = None
    ) -> Running:
        """Start a peer, `wrapper` before its command, and wait until it answers; raises Failed.

        It runs on the core that is the proxy's, unless `cores` says otherwise.
        """
        program = peer.find()
        if program is None:
            raise Failed(f"{peer.name} is not installed: get {peer.get}")
        folder = Path(tempfile.mkdtemp(prefix=f"{peer.name.replace(' ', '-')}-", dir=self.folder))
        place = Place(folder, free_port(), self.stable, self.candidate)
        command = [*(part.replace("@FOLDER@", str(folder)) for part in wrapper), *peer.command(program, place)]
        child = Child.start(peer.name, command, folder, cores=cores or self.cores.proxy, environ=peer.environ)
        self._children.enter_context(child)
        child.wait_until_answers(place.listen, seconds)
        return Running(peer, place, child)

    def start_all(self, roster: Sequence[Peer]) -> list[Running]:
        """Start every peer that is installed; the others, and those that fail, are named on stderr and left out."""
        running = []
        for peer in roster:
            try:
                started = self.start(peer)
                check_work(started)
                running.append(started)
            except Failed as failed:
                sys.stderr.write(f"left out: {peer.name}: {failed}\n")
        return running

    def lay(self, name: str, requests: list[bytes]) -> Path:
        """Requests as a file for wrk."""
        return traffic.write(self.folder / name, requests)


@contextmanager
def stage() -> Iterator[Stage]:
    """An origin on two free ports, in a folder that goes with it."""
    nginx = peers.nginx()
    program = nginx.find()
    if program is None:
        raise Failed(f"the origin needs nginx: get {nginx.get}")
    with tempfile.TemporaryDirectory(prefix="shunt-bench-") as name, ExitStack() as children:
        folder, cores = Path(name), Cores.of_this_machine()
        folder.chmod(0o755)
        (folder / "large").write_bytes(bytes(range(256)) * (LARGE_BYTES // 256))
        place = Place(folder, 0, free_port(), free_port())
        conf = place.write("origin.conf", peers.template("origin.conf").replace("@ANSWER@", "x" * ANSWER_BYTES))
        command = [program, "-e", "stderr", "-c", conf]
        origin = children.enter_context(Child.start("origin", command, folder, cores=cores.others))
        origin.wait_until_answers(place.stable)
        yield Stage(folder, cores, place.stable, place.candidate, children)


def check_work(running: Running) -> None:
    """Raise Failed unless the peer tells the origin everything that Shunt tells: nobody is measured doing less."""
    told = ask(running.port, b"GET /told HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")
    parts = told.partition(b"\r\n\r\n")[2].split(b"|")
    expected = [rb".+", rb"http", rb"bench\.test", rb".*1\.1 .+", rb".{8,}"]
    if len(parts) != len(expected) or not all(
        re.search(want, part) for want, part in zip(expected, parts, strict=True)
    ):
        raise Failed(f"does not set all the headers of the comparison: {told[-300:]!r}")
