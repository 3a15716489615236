"""Argo's AnalysisTemplates: their metrics in their own words, with the arguments filled in."""

from __future__ import annotations

import re
from collections.abc import Callable

from proxy.importing.manifest import Json, Manifest, Part
from proxy.strategies.expression import parse

_ARGUMENT = re.compile(r"\{\{\s*args\.([\w-]+)\s*\}\}")
_PLAIN = ("interval", "count", "failureLimit", "consecutiveErrorLimit", "inconclusiveLimit", "initialDelay")
_CONDITIONS = ("successCondition", "failureCondition")
Fill = Callable[[Part], str]


def metrics_of(analysis: Part, among: list[Manifest]) -> list[Json]:
    """The metrics of every template that an analysis names."""
    found: list[Json] = []
    given = {each.at("name").text(): each.at("value").took() for each in analysis.at("args").items()}
    for each in analysis.at("args").items():
        each.at("name").took()
    for named in analysis.at("templates").items():
        name = named.at("templateName").text()
        template = next((each for each in among if "AnalysisTemplate" in each.kind and each.name == name), None)
        if template is None:
            named.dropped(f"AnalysisTemplate {name} is not among the files: import it together with the Rollout")
            continue
        named.took()
        found += _metrics(template.root.at("spec"), {name: part.text() for name, part in given.items() if part})
    return found


def _metrics(spec: Part, given: dict[str, str]) -> list[Json]:
    defaults = {each.at("name").text(): each.at("value").text() for each in spec.at("args").items() if each.at("value")}
    values = defaults | given
    spec.at("args").took("filled in")

    def fill(part: Part) -> str:
        return _ARGUMENT.sub(lambda found: values.get(found[1], found[0]), part.took().text())

    return [metric for part in spec.at("metrics").items() if (metric := _metric(part, fill))]


def _metric(part: Part, fill: Fill) -> dict[str, Json]:
    provider = _provider(part.at("provider"), fill)
    if not provider:
        part.dropped("measured by Prometheus with an address, or by a web request; this one by something else")
        return {}
    said: dict[str, Json] = {"name": fill(part.at("name")), "provider": provider}
    for key in _PLAIN:
        if part.at(key):
            value = fill(part.at(key))
            said[key] = int(value) if value.isdecimal() else value
    for key in _CONDITIONS:
        if part.at(key):
            said[key] = condition = fill(part.at(key))
            try:
                parse(condition)
            except ValueError as fault:
                part.dropped(f"{key}: {fault}")
                return {}
    return said


def _provider(part: Part, fill: Fill) -> dict[str, Json]:
    prometheus, web = part.at("prometheus"), part.at("web")
    if prometheus.at("address") and prometheus.at("query"):
        said: dict[str, Json] = {key: fill(prometheus.at(key)) for key in ("address", "query")}
        return {"prometheus": _timed(said, prometheus.at("timeout"))}
    if web.at("url") and web.at("method").text("GET") == "GET":
        said = {key: fill(web.at(key)) for key in ("url", "jsonPath") if web.at(key)}
        headers: dict[str, Json] = {fill(each.at("key")): fill(each.at("value")) for each in web.at("headers").items()}
        return {"web": _timed(said | ({"headers": headers} if headers else {}), web.at("timeoutSeconds"))}
    return {}


def _timed(said: dict[str, Json], seconds: Part) -> dict[str, Json]:
    return said | {"timeout": seconds.took().value} if seconds else said
