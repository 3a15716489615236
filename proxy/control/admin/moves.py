"""The moves: what each verb's body asks of the control plane, in the words of the ledger."""

from __future__ import annotations

from proxy.control.admin import inputs
from proxy.control.door import Answer, Control
from proxy.ledger import By

LONGEST_WORD = 200
"""So much of a flag's value stands in the ledger's line; the whole of it is in its move."""


async def switch(control: Control, said: inputs.Switch, who: str) -> Answer:
    by = By(who, f"switch {said.scope} {said.version}", said.why)
    return await control.switch(
        said.scope, said.version, by, force=said.force, expecting=said.expecting, wait=said.wait_seconds
    )


async def weight(control: Control, said: inputs.Weight, who: str) -> Answer:
    shares = ",".join(f"{version}={share:g}" for version, share in said.weights.items())
    share = "" if said.weight is None else f"{said.weight:g}"
    by = By(who, f"weight {said.scope} {shares or share}", said.why)
    return await control.weight(said.scope, by, weight=said.weight, weights=said.weights, expecting=said.expecting)


async def hold(control: Control, said: inputs.Hold, who: str) -> Answer:
    by = By(who, f"hold {said.service} for {said.for_seconds:g} s", said.why)
    wait = said.max_seconds if said.wait_seconds is None else said.wait_seconds
    return await control.hold(said.service, by, max_seconds=said.max_seconds, for_seconds=said.for_seconds, wait=wait)


async def release(control: Control, said: inputs.Release, who: str) -> Answer:
    return await control.release(said.service, By(who, f"release {said.service}", said.why))


async def drain(control: Control, said: inputs.Drain, who: str) -> Answer:
    place = f"{said.service}/{said.version}{'@' if said.target else ''}{said.target}"
    return await control.drain(
        said.service,
        said.version,
        By(who, f"drain {place}{' back' if said.back else ''}", said.why),
        target=said.target,
        back=said.back,
        force=said.force,
        expecting=said.expecting,
        wait=said.wait_seconds,
    )


async def set_flag(control: Control, said: inputs.SetFlag, who: str) -> Answer:
    by = By(who, f"flag set {said.key} {said.value[:LONGEST_WORD]}", said.why)
    return await control.set_flag(said.key, said.value, by, expecting=said.expecting)


async def clear_flag(control: Control, said: inputs.ClearFlag, who: str) -> Answer:
    return await control.set_flag(said.key, None, By(who, f"flag clear {said.key}", said.why), expecting=said.expecting)


async def undo(control: Control, said: inputs.Undo, who: str) -> Answer:
    by = By(who, f"undo {said.service or ''}".strip(), said.why)
    return await control.undo(by, service=said.service, expecting=said.expecting)


async def reset(control: Control, said: inputs.Reset, who: str) -> Answer:
    by = By(who, f"reset {said.service}", said.why)
    return await control.reset(said.service, by, expecting=said.expecting)


async def upgrade(control: Control, said: inputs.Upgrade, who: str) -> Answer:
    return await control.upgrade(By(who, "upgrade", said.why))
