"""The programme: a rollout's steps written out, the same for a canary and for blue-green."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from proxy.strategies.blue_green import BlueGreen
from proxy.strategies.canary import Canary
from proxy.strategies.progressive import Analysis, Notify, Pause, Progressive, Step, Webhook

HOLDBACK_PERCENT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """All that the machine needs to know of the rules. Weights are the candidate's percentage."""

    stable: str
    candidate: str
    release: str
    steps: tuple[Step, ...]
    analysis: Analysis = field(default_factory=Analysis)
    freezes: bool = False
    """On failure the weight stays where it is until a person decides."""
    bake_seconds: float = 0.0
    holdback: float = HOLDBACK_PERCENT
    webhooks: tuple[Webhook, ...] = ()
    notify: tuple[Notify, ...] = ()

    @property
    def key(self) -> str:
        """What a rollout's state belongs to."""
        return f"{self.stable} > {self.candidate} @ {self.release}"

    @property
    def gates(self) -> frozenset[str]:
        """The kinds of hook that are configured."""
        return frozenset(hook.type for hook in self.webhooks)


def of_canary(progressive: Progressive, canary: Canary) -> Programme:
    """The programme of `progressive` beside `canary`; ValueError without a stable and a candidate."""
    if canary.stable is None or canary.candidate is None:
        raise ValueError("a progressive rollout needs canary.stable and canary.candidate")
    return _programme(progressive, canary.stable, canary.candidate, progressive.steps)


def of_blue_green(progressive: Progressive, blue_green: BlueGreen) -> Programme:
    """The programme of `progressive` beside `blue_green`: analysis at 0 %, a pause, the switch, analysis, the rest.

    Colours have no concurrent traffic to compare, so the built-in test is on only with a holdback.
    """
    candidate = progressive.candidate or (blue_green.preview.version if blue_green.preview else "")
    if not candidate:
        raise ValueError("a progressive blue_green needs progressive.candidate, or a preview that names it")
    holdback = progressive.holdback or 0.0
    steps: list[Step] = []
    if progressive.pre_promotion is not None:
        steps.append(Step(analysis=replace(progressive.pre_promotion, enabled=False)))
    if not progressive.auto_promotion:
        steps.append(Step(pause=Pause()))
    elif progressive.auto_promotion_delay:
        steps.append(Step(pause=Pause(duration=progressive.auto_promotion_delay)))
    steps.append(Step(setWeight=100.0 - holdback))
    if progressive.post_promotion is not None:
        steps.append(Step(analysis=_compared(progressive.post_promotion, holdback)))
    analysis = _compared(progressive.analysis, holdback)
    return _programme(replace(progressive, analysis=analysis), blue_green.active, candidate, tuple(steps))


def _compared(analysis: Analysis, holdback: float) -> Analysis:
    return replace(analysis, enabled=analysis.enabled and holdback > 0)


def _programme(progressive: Progressive, stable: str, candidate: str, steps: tuple[Step, ...]) -> Programme:
    return Programme(
        stable=stable,
        candidate=candidate,
        release=progressive.release,
        steps=steps,
        analysis=progressive.analysis,
        freezes=progressive.on_failure == "freeze",
        bake_seconds=progressive.bake,
        holdback=HOLDBACK_PERCENT if progressive.holdback is None else progressive.holdback,
        webhooks=progressive.webhooks,
        notify=progressive.notify,
    )
