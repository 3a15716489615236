"""Pin: what an operator or a rollout sets on top of a flag's source."""

from __future__ import annotations

from proxy.errors import Invalid
from proxy.flags.bucketing import Version
from proxy.flags.flag import Flag, always, decided, percentage
from proxy.flags.plain import plain_flag, plain_value
from proxy.units import percent


def pinned(flag: Flag, text: str, bucketing: Version) -> Flag:
    """The flag as `shunt flag set` leaves it; Invalid says what it can be set to.

    A plain flag takes any plain text. A flagd flag takes the name of a variant, a value that one of them
    has, or, if it has a variant for true and one for false, a percentage.
    """
    text = text.strip()
    try:
        if flag.kind == "plain":
            return plain_flag(flag.key, text, bucketing, flag.source)._replace(written=flag.written, override=text)
        if text.endswith("%"):
            return _rolled_out(flag, percent(text), bucketing)._replace(override=text)
        variant = text if text in flag.variants else _with_value(flag, plain_value(text))
    except ValueError as fault:
        raise Invalid(f"{flag.key}: {fault}") from fault
    decision = decided(flag.variants[variant], variant, flag.metadata)
    return flag._replace(decide=always(decision), is_enabled=True, reads=frozenset(), override=text)


def _rolled_out(flag: Flag, share_percent: float, bucketing: Version) -> Flag:
    on, off = _with_value(flag, value=True), _with_value(flag, value=False)
    decisions = (
        decided(value=True, variant=on, metadata=flag.metadata),
        decided(value=False, variant=off, metadata=flag.metadata),
    )
    decide = percentage(flag.key, share_percent, *decisions, bucketing)
    return flag._replace(decide=decide, is_enabled=True, reads=frozenset())


def _with_value(flag: Flag, value: object) -> str:
    for name, each in flag.variants.items():
        if type(each) is type(value) and each == value:
            return name
    raise ValueError(f"can be set to {', '.join(flag.variants)}, not to {str(value).lower()!r}")
