"""Progressive delivery: the next step is taken when the last one has been judged.

These are the settings, in the words of Argo Rollouts where it has words for them, so that its steps and
metrics can be pasted as they are. `proxy.rollout` runs them, `proxy.analysis` judges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from proxy.conditions import STRICT
from proxy.strategies.expression import parse
from proxy.units import Percent, Seconds

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core.core_schema import CoreSchema

MAX_HOLD_SECONDS = 10.0


class Unsupported:
    """Marks a step kind of Argo's that Shunt cannot honour: naming it beats ignoring it."""

    def __init__(self, why: str) -> None:
        self.why = why

    def refuse(self, written: object) -> None:
        """Raise ValueError with the reason, whatever was written."""
        raise ValueError(f"{self.why}; take the step out")

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            self.refuse, json_schema_input_schema=core_schema.none_schema()
        )


class PauseText:
    """Lets a pause be written as Argo takes it: `{duration: 10m}`, `{duration: "600"}`, `{}`, or just `600`."""

    @staticmethod
    def widen(written: object) -> object:
        """The long form of a pause; anything else comes back as it is, for the checks that follow."""
        if isinstance(written, dict):
            duration = written.get("duration")
            return (
                {**written, "duration": int(duration)} if isinstance(duration, str) and duration.isdigit() else written
            )
        if isinstance(written, (int, float, str)) and not isinstance(written, bool):
            return PauseText.widen({"duration": written})
        return written

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.widen, handler(source))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """An instant query; `result` is the list of the vector's values, or one number for a scalar."""

    __pydantic_config__ = STRICT

    address: str
    query: str
    timeout: Seconds = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A GET whose JSON answer is narrowed by `jsonPath` (`{$.data.ok}`) to `result`."""

    __pydantic_config__ = STRICT

    url: str
    jsonPath: str = "{$}"
    headers: dict[str, str] = field(default_factory=dict)
    timeout: Seconds = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a measurement comes from: exactly one of `prometheus`, `web`."""

    __pydantic_config__ = STRICT

    prometheus: Prometheus | None = None
    web: Web | None = None

    def __post_init__(self) -> None:
        if (self.prometheus is None) == (self.web is None):
            raise ValueError("give exactly one of prometheus, web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of Argo's: it fails when failures *exceed* `failureLimit`; without `interval` it is taken once."""

    __pydantic_config__ = STRICT

    name: str
    provider: Provider
    interval: Seconds | None = None
    count: int | None = None
    successCondition: str = ""
    failureCondition: str = ""
    failureLimit: int = 0
    consecutiveErrorLimit: int = 4
    inconclusiveLimit: int = 0
    initialDelay: Seconds = 0.0
    dryRun: bool = False
    """Measured and shown, but moves nothing."""

    def __post_init__(self) -> None:
        for condition in (self.successCondition, self.failureCondition):
            if condition:
                parse(condition)
        if self.count is not None and self.count > 1 and self.interval is None:
            raise ValueError("a count above 1 needs an interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """When a candidate counts as worse, and when it has been seen enough to go on."""

    __pydantic_config__ = STRICT

    enabled: bool = True
    """The built-in test of errors and latency; metrics and caps work without it."""
    alpha: float = 0.01
    """The chance that a healthy candidate is rolled back, over the whole rollout."""
    error_ratio: float = 1.25
    """How many times stable's error rate the candidate may have."""
    latency_tolerance: Percent = 10.0
    """By how much slower than stable the candidate may be."""
    minimum: int = 500
    """Candidate requests (identities, where the split is sticky) per weight; 0 goes by the clock alone."""
    seconds: Seconds = 60.0
    """How long each weight is watched at least."""
    deadline: Seconds | None = None
    """When too little traffic becomes a question for a person; else the larger of 1 h and three times the pause."""
    warm_up: Seconds = 30.0
    """How long a candidate that has just got traffic may be slow."""
    max_failed_requests: int = 0
    """A cap outside the test: any absolute number rolls back some healthy release. 0 for none."""
    max_failed_identities: int = 0
    metrics: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: {self.alpha} is not between 0 and 1")
        if self.error_ratio < 1:
            raise ValueError(f"error_ratio: {self.error_ratio} is below 1")
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError("two metrics have the same name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """`{duration: 10m}`; without a duration it waits for `shunt rollout promote`."""

    __pydantic_config__ = STRICT

    duration: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStep:
    """Let new requests wait, run the hook, let them go: for what no request may straddle."""

    __pydantic_config__ = STRICT

    max: Seconds = MAX_HOLD_SECONDS
    hook: str = ""

    def __post_init__(self) -> None:
        if self.max > MAX_HOLD_SECONDS:
            raise ValueError(f"max: {self.max:g} s is above {MAX_HOLD_SECONDS:g} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: exactly one of `setWeight`, `pause`, `analysis`, `hold`."""

    __pydantic_config__ = STRICT

    setWeight: Percent | None = None
    pause: Annotated[Pause | None, PauseText()] = None
    analysis: Analysis | None = None
    hold: HoldStep | None = None
    setCanaryScale: Annotated[None, Unsupported("setCanaryScale moves pods, Shunt moves traffic")] = None
    setHeaderRoute: Annotated[None, Unsupported("setHeaderRoute is no step here: write a rule under flags")] = None
    setMirrorRoute: Annotated[None, Unsupported("setMirrorRoute is no step here: write a rule under shadow")] = None
    experiment: Annotated[None, Unsupported("experiment needs pods of its own, which Shunt does not start")] = None
    plugin: Annotated[None, Unsupported("plugin steps run inside the controller of Argo Rollouts")] = None

    def __post_init__(self) -> None:
        kinds = [part for part in (self.setWeight, self.pause, self.analysis, self.hold) if part is not None]
        if len(kinds) != 1:
            raise ValueError("a step is exactly one of setWeight, pause, analysis, hold")


HookKind = Literal[
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "rollback",
    "event",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A hook of Flagger's kinds: POST of name, phase, revision and metadata; 2xx passes."""

    __pydantic_config__ = STRICT

    name: str
    type: HookKind
    url: str
    timeout: Seconds = 10.0
    retries: int = 2
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Who is told: a POST of JSON, signed by HMAC-SHA256 with the secret in `secret_file` when there is one."""

    __pydantic_config__ = STRICT

    url: str
    secret_file: str = ""
    timeout: Seconds = 5.0
    retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressive:
    """`progressive: {release: "2026-11-22-a", steps: [...]}` beside `canary` or `blue_green`."""

    __pydantic_config__ = STRICT

    release: str = ""
    """A new value starts a new rollout."""
    steps: tuple[Step, ...] = ()
    analysis: Analysis = field(default_factory=Analysis)
    on_failure: Literal["rollback", "freeze"] = "rollback"
    bake: Seconds = 0.0
    """How long after the last step `holdback` stays with stable, so that there is something to compare with."""
    holdback: Percent | None = None
    """Canary: stable's share while baking, 5 % if not given. Blue-green: the old colour's share, none if not given."""
    candidate: str = ""
    """Blue-green: the colour to go to. A canary names its own."""
    auto_promotion: bool = True
    """Blue-green: whether the switch comes by itself after `auto_promotion_delay`, or waits for a person."""
    auto_promotion_delay: Seconds = 0.0
    pre_promotion: Analysis | None = None
    post_promotion: Analysis | None = None
    webhooks: tuple[Webhook, ...] = ()
    notify: tuple[Notify, ...] = ()
