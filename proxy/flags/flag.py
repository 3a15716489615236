"""A flag decides: a value, the variant's name, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from proxy.flags.bucketing import HASHES, Version, hasher
from proxy.flags.targeting import Targeting

Metadata = Mapping[str, bool | float | str]
Reason = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"]
"""OpenFeature's words. DEFAULT: targeting said nothing, so the default variant answers."""
ErrorCode = Literal["FLAG_NOT_FOUND", "TARGETING_KEY_MISSING", "PARSE_ERROR", "INVALID_CONTEXT", "GENERAL"]
ON, OFF = "on", "off"
NO_METADATA: Metadata = MappingProxyType({})


class Trouble(NamedTuple):
    """Why there is no decision, or only the default."""

    code: ErrorCode
    details: str


class Decision(NamedTuple):
    """What a flag is for a context."""

    value: object
    """None: the application's own default."""
    variant: str | None
    reason: Reason
    flag_metadata: Metadata = NO_METADATA
    error: Trouble | None = None
    words: tuple[str, ...] = ()
    """What `when: {flag: …}` may call it: its variant, and its value where it is a text, a number, true or false."""
    share: float | None = None
    """The share of keys that are given this variant, 0 to 1, where a percentage decided; None otherwise."""


class Context:
    """Who asks: a targeting key and attributes. `timestamp` is what `$flagd.timestamp` says, in Unix seconds."""

    __slots__ = ("attributes", "targeting_key", "timestamp")

    def __init__(
        self, targeting_key: str | None, attributes: Mapping[str, object] = NO_METADATA, timestamp: int = 0
    ) -> None:
        self.targeting_key = targeting_key
        self.attributes = attributes
        self.timestamp = timestamp

    @property
    def scope(self) -> dict[str, object]:
        """What targeting looks at; made when asked, for a plain flag looks at nothing."""
        return {**self.attributes, "targetingKey": self.targeting_key}

    def scope_of(self, flag: str) -> dict[str, object]:
        """The scope with flagd's own part, which is another for every flag."""
        return {**self.scope, "$flagd": {"flagKey": flag, "timestamp": self.timestamp}}


Decide = Callable[[Context], Decision]


class Flag(NamedTuple):
    """One flag of a set, compiled; `decide` never raises."""

    key: str
    decide: Decide
    kind: Literal["plain", "flagd"]
    source: str
    """The file, `environment`, or where else it was written."""
    written: str
    """What was written, in one line for people."""
    variants: Mapping[str, object]
    metadata: Metadata = NO_METADATA
    is_enabled: bool = True
    reads: frozenset[tuple[str, ...]] | None = frozenset()
    """The paths of the context that it looks at besides the targeting key; None: any."""
    override: str | None = None
    """What an operator or a rollout set on top of the source."""


# --- ways to decide -----------------------------------------------------------------------


def always(decision: Decision) -> Decide:
    """The same for everybody."""
    return lambda context: decision


def percentage(key: str, percent: float, on: Decision, off: Decision, bucketing: Version) -> Decide:
    """`on` for so many per cent of the targeting keys: who is in at 10 % is in at every higher percentage.

    Without a targeting key it is `off` with an error, unless nobody or everybody is in anyway.
    """
    share = percent / 100
    on, off = on._replace(share=share, reason="SPLIT"), off._replace(share=1 - share, reason="SPLIT")
    if percent <= 0 or percent >= 100:
        return always((on if percent >= 100 else off)._replace(reason="STATIC"))
    limit = share * HASHES
    hash_of_key = hasher(key, bucketing)
    unknown = off._replace(reason="DEFAULT", error=_key_missing(key), share=None)

    def decide(context: Context) -> Decision:
        hashed = hash_of_key(context.targeting_key)
        if hashed is None:
            return unknown
        return on if hashed < limit else off

    return decide


def targeted(key: str, targeting: Targeting, variants: Mapping[str, Decision], default: Decision) -> Decide:
    """What targeting says, the default where it says nothing."""
    rule, needs_key = targeting.rule, targeting.needs_key
    matches = {name: decision._replace(reason="TARGETING_MATCH") for name, decision in variants.items()}
    default = default._replace(reason="DEFAULT")
    keyless = default._replace(error=_key_missing(key))
    needs_flagd = targeting.reads is None or any(path[0] == "$flagd" for path in targeting.reads)

    def decide(context: Context) -> Decision:
        try:
            name = rule(context.scope_of(key) if needs_flagd else context.scope)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as fault:
            return failed("GENERAL", f"the targeting of {key!r} failed: {fault}", default.flag_metadata)
        if name is None:
            return keyless if needs_key and not context.targeting_key else default
        found = matches.get(name if isinstance(name, str) else _variant_name(name))
        if found is None:
            return failed("GENERAL", f"targeting says {name!r}, which is no variant of {key!r}", default.flag_metadata)
        return found

    return decide


def _variant_name(said: object) -> str:
    """flagd: a rule may say `true` for the variant `true`."""
    return str(said).lower() if isinstance(said, bool) else str(said)


def _key_missing(key: str) -> Trouble:
    return Trouble("TARGETING_KEY_MISSING", f"{key!r} is decided by the targeting key, and there is none")


def failed(code: ErrorCode, details: str, metadata: Metadata = NO_METADATA) -> Decision:
    """No decision."""
    return Decision(None, None, "ERROR", metadata, Trouble(code, details))


# --- what it is called --------------------------------------------------------------------


def decided(value: object, variant: str, metadata: Metadata = NO_METADATA) -> Decision:
    """The decision for a variant, the same for everybody."""
    word = spelled(value)
    words = (variant,) if word is None or word == variant else (variant, word)
    return Decision(value, variant, "STATIC", metadata, None, words)


def spelled(value: object) -> str | None:
    """A value as rules spell it: `true`, `3`, `0.5`, a text; None for lists and objects."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float, str)) else None
