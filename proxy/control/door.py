"""The control plane's one door for people: every verb, carried out on every worker or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from proxy import overrides as law
from proxy.control import verbs
from proxy.control.changes import Changes, Finding, Hold
from proxy.errors import Conflict
from proxy.ledger import By
from proxy.overrides import ACTIVE, Override
from proxy.rules import Rules, Service
from proxy.store import Change, Reset, Set, Undo

POLL_SECONDS = 0.05
"""How often the workers are asked while a verb waits for requests in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a verb."""

    revision: int
    message: str
    changed: bool = True
    complete: bool = True
    """False: the bound was reached with requests still in flight."""
    in_flight: int = 0
    """Requests still on their way on the version, target or service that the verb took traffic from."""
    held: int = 0
    acknowledged_workers: tuple[int, ...] = ()
    replaced_workers: tuple[int, ...] = ()
    """Slots whose worker missed the bound and was replaced."""
    void_overrides: tuple[Override, ...] = ()
    notes: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where requests may be on their way: a service, one version of it, or one target."""

    service: str
    version: str | None = None
    target: str | None = None


class Control(Changes):
    """All verbs. A verb returns when every worker has carried it out, or raises and nothing has changed."""

    async def switch(
        self, scope: str, version: str, by: By, *, force: bool = False, expecting: int | None = None, wait: float = 0.0
    ) -> Answer:
        """Make a colour the active one; Conflict when it has no healthy target, unless forced."""
        self._check_free(scope)
        change = verbs.switch(self.store.state.rules, scope, version)
        service = self._service(scope)
        if not force:
            finding = await self.around.probe(service, version)
            if version in service.drained:
                finding = Finding(False, "it is drained")
            if not finding.is_healthy:
                raise Conflict(
                    f"{version} has no healthy target: {finding.reason or 'no answer'}; force it to switch anyway"
                )
        return await self._move(change, by, expecting, wait)

    async def weight(
        self,
        scope: str,
        by: By,
        *,
        weight: float | None = None,
        weights: Mapping[str, float] | None = None,
        expecting: int | None = None,
    ) -> Answer:
        """Set the candidate's percentage (`weight`) or the weights of several versions."""
        self._check_free(scope)
        change = verbs.weigh(self.store.state.rules, scope, weight, weights or {})
        return await self._move(change, by, expecting)

    async def drain(
        self,
        service: str,
        version: str,
        by: By,
        *,
        target: str = "",
        back: bool = False,
        force: bool = False,
        expecting: int | None = None,
        wait: float = 30.0,
    ) -> Answer:
        """Take a version or target out of choice and wait for its requests in flight; `back` puts it in again."""
        change = verbs.drain(self.store.state.rules, service, version, target, drained=not back)
        alone = verbs.left_alone(self._service(service), version, target, self.flags.current)
        if alone and not back and not force:
            raise Conflict(f"{service}/{version} must not be drained: {alone}; force it to drain anyway")
        answer, _ = await self._make(change, by, expecting)
        if back:
            return answer
        return await self._wait_empty(answer, wait, [Place(service, version, target or None)])

    async def set_flag(self, key: str, text: str | None, by: By, *, expecting: int | None = None) -> Answer:
        """Set a feature flag on top of its file until the file says something new; None: what the file says."""
        drives = verbs.driven_by(self.store.state.effective, key)
        for scope in drives:
            self._check_free(scope)
        change = verbs.flip(self.flags.current, key, text, drives)
        return (await self._make(change, by, expecting))[0]

    async def hold(self, service: str, by: By, *, max_seconds: float, for_seconds: float, wait: float) -> Answer:
        """Let new requests wait in the proxy; returns when none is in flight, or at its bound incomplete."""
        verbs.whole_service(self.store.state.rules, service)
        receipt = await self.planes.hold(service, max_seconds, for_seconds)
        self.condition.holds[service] = Hold(max_seconds, self.around.wall() + for_seconds)
        await self._note("hold", by, service)
        answer = self._answer(f"{service} is on hold for at most {for_seconds:g} s", receipt.replaced)
        answer = await self._wait_empty(answer, wait, [Place(service)])
        return replace(answer, held=receipt.held)

    async def release(self, service: str, by: By) -> Answer:
        """Let the held requests go."""
        verbs.whole_service(self.store.state.rules, service)
        await self.planes.release(service)
        if self.condition.holds.pop(service, None) is None:
            return replace(self._answer(f"{service} was not on hold"), changed=False)
        await self._note("release", by, service)
        return self._answer(f"{service} is released")

    async def undo(self, by: By, *, service: str | None = None, expecting: int | None = None) -> Answer:
        """Take back the last override or rollout verb; what came from a file is undone in the file."""
        latest = self.store.ledger.latest(1, service=service)
        undone = self.store.ledger.undoable(service)
        for move in undone.moves if undone is not None else ():
            self._check_free(move.scope)
        if undone is not None and undone.kind == "rollout":
            # A weight of an aborted rollout would come back with no judge looking on.
            ways = "`rollout retry` begins one that went back again, `rollout undo` takes back one that is done"
            raise Conflict(f"“{undone.what}” is the work of a rollout: {ways}")
        answer, _ = await self._make(Undo(service), by, expecting)
        if latest and latest[0].kind == "file":
            note = f"revision {latest[0].revision} came from the rules file and stays: undo it there"
            return replace(answer, notes=(*answer.notes, note))
        return answer

    async def reset(self, service: str, by: By, *, expecting: int | None = None) -> Answer:
        """Drop the service's overrides: what the file says holds again."""
        for scope, _ in verbs.strategies(verbs.whole_service(self.store.state.rules, service)):
            self._check_free(scope)
        return (await self._make(Reset(service), by, expecting))[0]

    async def upgrade(self, by: By) -> Answer:
        """Ask for the code on the disk to take over; the status's generation says when it has."""
        if self.around.upgrade is None:
            raise Conflict("nobody here can start new code")
        self.condition.upgrade_fault = ""
        await self._note("upgrade", by)
        self.around.upgrade()
        return self._answer("the new code is on trial; it takes over once all of it serves")

    def export(self) -> Rules:
        """The rules with the overrides folded in, ready to commit.

        What is only waited for, and two colours side by side, which no file can say, stay as the file has them.
        """
        present = self.store.state.overrides
        sayable = [each for each in present if each.field != ACTIVE or not isinstance(each.value, tuple)]
        folded = [override for override in sayable if override.origin != "waiting"]
        return law.apply(folded, self.store.state.rules).rules

    # --- what the verbs have in common --------------------------------------------------

    async def _move(self, change: Set, by: By, expecting: int | None, wait: float = 0.0) -> Answer:
        answer, left = await self._make(change, by, expecting)
        apart = verbs.routes_apart(self._service(change.scope), change.scope)
        if apart:
            answer = replace(answer, notes=(*answer.notes, f"routes that keep their own: {', '.join(apart)}"))
        return await self._wait_empty(answer, wait, left) if wait and answer.in_flight else answer

    async def _make(self, change: Change, by: By, expecting: int | None) -> tuple[Answer, list[Place]]:
        """Make the change; the answer, and the versions that get no new requests any more."""
        async with self._door:
            by = self._naming_what_goes_back(change, by)
            changed, receipt = await self._apply(change, by, expecting)
        if changed is None or receipt is None:
            return replace(self._answer(f"{by.what}: already so"), changed=False), []
        left = [
            Place(service, version)
            for service in changed.entry.services
            for version in verbs.left_behind(changed.before.effective, changed.after.effective, service)
        ]
        answer = replace(
            self._answer(by.what, receipt.replaced),
            revision=receipt.revision,
            in_flight=sum(receipt.in_flight.get((place.service, place.version or ""), 0) for place in left),
            acknowledged_workers=receipt.acknowledged,
            void_overrides=changed.void,
        )
        return answer, left

    def _naming_what_goes_back(self, change: Change, by: By) -> By:
        undone = self.store.ledger.undoable(change.service) if isinstance(change, Undo) else None
        return by if undone is None else by._replace(what=f"undo {undone.what}")

    async def _wait_empty(self, answer: Answer, wait: float, places: Sequence[Place]) -> Answer:
        """Ask until nothing is in flight there, at most `wait` seconds."""
        until = self.around.steady() + wait
        left = await self._in_flight(places)
        while left and self.around.steady() < until:
            await asyncio.sleep(POLL_SECONDS)
            left = await self._in_flight(places)
        return replace(answer, in_flight=left, complete=not left)

    async def _in_flight(self, places: Sequence[Place]) -> int:
        return sum([await self.planes.in_flight(*place) for place in places])

    def _answer(self, message: str, replaced: tuple[int, ...] = ()) -> Answer:
        notes = (self.condition.state_fault,) if self.condition.state_fault else ()
        return Answer(revision=self.store.revision, message=message, replaced_workers=replaced, notes=notes)

    def _service(self, scope: str) -> Service:
        return verbs.service_of(self.store.state.effective, scope)

    def _check_free(self, scope: str) -> None:
        reason = self.around.busy(scope)
        if reason:
            raise Conflict(reason)
