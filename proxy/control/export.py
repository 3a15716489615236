"""Rules written down again, as a person would: without defaults, ready to commit."""

from __future__ import annotations

from pydantic import TypeAdapter

from proxy.control.state import Json
from proxy.rules import Rules

_RULES = TypeAdapter(Rules)


def as_written(rules: Rules) -> dict[str, Json]:
    """What `rules.yaml` would say: keys in their order there, quantities as numbers, defaults left out."""
    # In Python's mode quantities stay numbers; every unit of the rules has its base unit as a bare number.
    dumped = _RULES.dump_python(rules, mode="python", by_alias=True, exclude_defaults=True)
    services = {name: _service(plain(written)) for name, written in dumped.get("services", {}).items()}
    return {"services": dict(services)}


def as_yaml(rules: Rules) -> str:
    """The same as text. Comments of the original file are not in it: rules carry none."""
    import yaml

    return yaml.safe_dump(as_written(rules), sort_keys=False, allow_unicode=True, width=120)


def plain(value: object) -> Json:
    """JSON of values that are nothing but containers and scalars; whole numbers without a point."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _service(written: Json) -> Json:
    if not isinstance(written, dict):
        return written
    ordered = _first(written, ("hosts", "versions", "identity"))
    ordered.pop("name", None)
    routes = ordered.pop("routes", None)
    if isinstance(routes, list):
        ordered["routes"] = [_first(route, ("name", "match")) if isinstance(route, dict) else route for route in routes]
    return ordered


def _first(written: dict[str, Json], keys: tuple[str, ...]) -> dict[str, Json]:
    return {**{key: written[key] for key in keys if key in written}, **written}
