"""The succession: new code takes over from old while the sockets, the process id and every request stay.

First a trial: the new code reads the settings and the rules. Then the supervisor becomes the new one by exec and
starts a new generation beside the old; when all of it serves, the old one drains. Until then the old one is in
charge, and stays so if anything fails. Standard library only: the supervisor loads this.
"""

from __future__ import annotations

import sys
from typing import Protocol

from proxy.processes.children import Child
from proxy.processes.generation import Generation, make_guest
from proxy.processes.launch import Launch, Sockets
from proxy.processes.legacy import Legacy
from proxy.processes.lifeline import Message
from proxy.processes.vigil import Vigil

TRIAL_SECONDS = 30.0
"""How long the new code may take to read settings and rules."""
START_SECONDS = 40.0
"""How long a new generation may take until all of it serves."""
_YIELD_SECONDS = 4.0
"""How long the old brain may take to lay down its work before the new one starts anyway."""
_TRIAL = -2


class Realm(Protocol):
    """The supervisor, as its succession sees it."""

    launch: Launch
    sockets: Sockets
    vigil: Vigil
    now: Generation
    leaving: list[Child]

    def start_missing(self) -> None:
        """Start a worker for every slot that has none."""

    def start_brain(self) -> None:
        """Start the brain."""

    def tell(self, child: Child, word: str, *rest: object, descriptors: list[int] | None = None) -> None:
        """Say something to a child."""

    def join(self, worker: Child) -> None:
        """Give a worker and the brain a channel."""

    def dismiss(self, worker: Child) -> None:
        """Let a worker finish and end."""

    def stop(self, brain: Child) -> None:
        """Let a brain end."""


class Succession:
    """One upgrade at a time, from its trial to the last word."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._trial: Child | None = None
        self._former: Generation | None = None
        """Who is in charge until the new generation serves."""
        self._is_foreign = False
        self._is_asked_again = False

    @property
    def turn(self) -> str:
        """How a brain that starts now begins; "" when no upgrade is on."""
        return "upgrade" if self._former is not None else ""

    def children(self) -> list[Child]:
        """Those who belong to no generation that serves now."""
        return [*([self._trial] if self._trial else []), *(self._former.children() if self._former else [])]

    # --- the old supervisor --------------------------------------------------------------

    def ask(self, *, is_leaving: bool) -> None:
        """Somebody wants an upgrade: let the new code look whether it could serve."""
        if is_leaving:
            self._refuse("this instance is leaving")
            return
        if self._trial is not None or self._former is not None:
            self._is_asked_again = self._former is not None  # code that came after this upgrade began counts, too
            return
        realm = self._realm
        trial = self._trial = Child.spawn("proxy.cli.trial", _TRIAL)
        realm.vigil.watch(trial)
        realm.tell(trial, "origin", realm.launch.origin, realm.launch.name)
        realm.vigil.after(TRIAL_SECONDS, trial.kill)

    def hear(self, child: Child, word: str, message: Message) -> None:
        """The trial's verdict, or the old brain that has laid down its work."""
        if word == "yielded":
            self._realm.start_brain()
        elif child is self._trial and word == "unfit":
            self._refuse(" ".join(message.rest))
            self._trial = None
            self._realm.leaving.append(child)
        elif child is self._trial and word == "fit":
            grace, bound = map(float, message.rest)
            self._become(grace, bound, message.descriptors[0])

    def _become(self, grace: float, bound: float, settings: int) -> None:
        realm = self._realm
        launch = realm.launch._replace(grace_seconds=grace, bound_seconds=bound, settings=settings)
        try:
            Legacy.of(launch, realm.sockets, realm.now, realm.leaving).hand_on()
        except OSError as fault:
            self._refuse(str(fault))

    def _refuse(self, why: str) -> None:
        sys.stderr.write(f"shunt: not upgraded: {why}\n")
        sys.stderr.flush()
        if self._realm.now.brain is not None:
            self._realm.tell(self._realm.now.brain, "kept", why.replace("\n", " "))

    # --- the new one ---------------------------------------------------------------------

    def begin(self, legacy: Legacy) -> None:
        """Take the old generation over; it serves until the new one does."""
        realm = self._realm
        former, leaving = legacy.open_generation(), legacy.open_leaving()
        self._former, self._is_foreign = former, legacy.is_foreign
        realm.now = Generation(former.number + 1)
        realm.leaving += leaving
        for child in (*former.children(), *leaving):
            realm.vigil.watch(child)
        for worker in leaving:
            if legacy.is_foreign:
                make_guest(worker, former.number, is_foreign=True)
            realm.vigil.after(realm.launch.bound_seconds, worker.kill)
        if former.brain is None:
            realm.start_brain()
        else:
            realm.tell(former.brain, "yield")
            realm.vigil.after(_YIELD_SECONDS, realm.start_brain)
        realm.vigil.after(START_SECONDS, lambda: self._give_up_on(former))

    def look(self) -> None:
        """Complete the upgrade when all of the new generation serves."""
        realm, former = self._realm, self._former
        if former is None or not realm.now.is_ready(realm.launch.workers):
            return
        self._former = None
        realm.leaving += former.children()
        for worker in former.workers.values():
            make_guest(worker, former.number, is_foreign=self._is_foreign)
            if not self._is_foreign:
                realm.join(worker)  # what it still plans while it drains follows every change
            realm.dismiss(worker)
        if former.brain is not None:
            realm.stop(former.brain)
        if self._is_asked_again:
            self._is_asked_again = False
            self.ask(is_leaving=False)

    def lose(self, child: Child) -> bool:
        """One of the children has ended; False when that is not for us to mind."""
        if child is self._trial:
            self._trial = None
            self._refuse("the new code did not pass its trial")
            return True
        former = self._former
        if former is None:
            return False
        if child in former.children():
            former.lose(child)
        else:
            self._realm.now.lose(child)
            self.give_up("the new generation did not start")
        return True

    def _give_up_on(self, former: Generation) -> None:
        if self._former is former:
            self.give_up("the new generation did not serve in time")

    def give_up(self, why: str) -> None:
        """Leave the old generation in charge; whoever was accepted by the new one is still answered."""
        realm, former = self._realm, self._former
        if former is None:
            return
        failed, realm.now, self._former = realm.now, former, None
        realm.leaving += failed.children()
        for worker in failed.workers.values():
            realm.dismiss(worker)
        if failed.brain is not None:
            failed.brain.kill()
        if former.brain is not None:
            sockets = [realm.sockets.admin.fileno()]
            realm.tell(former.brain, "resume", descriptors=sockets)
        self._refuse(why)
        realm.start_missing()
        realm.start_brain()
