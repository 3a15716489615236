"""The OpenAPI 3.1 document, made from the table of operations so that it cannot drift."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import TypeAdapter

from proxy import __version__
from proxy.control.admin.operations import Operation
from proxy.control.admin.problems import Problem
from proxy.control.state import Json

REF = "#/components/schemas/{model}"

PROBLEMS = {
    400: "The request cannot be read",
    401: "No or a wrong bearer token",
    403: "A browser's request from elsewhere",
    404: "No such service, route, version or target",
    405: "Another method",
    409: "The change does not fit the present state; nothing was changed",
    413: "The body is too long",
    415: "The body is not JSON",
    422: "A value is not valid; nothing was changed",
}
_BODY_ONLY = (413, 415)
_REVISION: Json = {
    "ETag": {"description": "The revision, quoted, for If-Match", "schema": {"type": "string"}},
    "x-shunt-revision": {"description": "The revision", "schema": {"type": "integer"}},
}
_WHO: Json = {
    "name": "x-shunt-who",
    "in": "header",
    "schema": {"type": "string", "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "Who asks, for the ledger: user@host",
}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
    "description": "The same as `expecting`",
}


def document(operations: Iterable[Operation], *, has_token: bool) -> dict[str, Json]:
    """The whole document; `has_token` says whether callers must bring one."""
    schemas: dict[str, Json] = {}
    paths: dict[str, Json] = {}
    problem = _schema(TypeAdapter(Problem), schemas)
    for operation in operations:
        path = paths.setdefault(operation.path, {})
        assert isinstance(path, dict)
        path[operation.method.lower()] = _operation(operation, schemas, problem)
    paths["/v1/events"] = {"get": _events(problem)}
    components: dict[str, Json] = {"schemas": schemas}
    written: dict[str, Json] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Shunt",
            "version": __version__,
            "description": "The admin API. A change answers when every worker has carried it out.",
        },
        "paths": paths,
        "components": components,
    }
    if has_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        written["security"] = [{"token": []}]
    return written


def _operation(operation: Operation, schemas: dict[str, Json], problem: Json) -> dict[str, Json]:
    has_body = operation.method == "POST"
    parameters: list[Json] = [_WHO] if has_body else _parameters(operation)
    if operation.is_change:
        parameters.append(_IF_MATCH)
    # YAML is read as what it holds, not as its text.
    schema: Json = _schema(operation.gives, schemas) if operation.media == "application/json" else {"type": "object"}
    answer: Json = {
        "description": operation.summary,
        "headers": _REVISION,
        "content": {operation.media: {"schema": schema}},
    }
    written: dict[str, Json] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": (operation.takes.__doc__ or "").strip(),
        "parameters": parameters,
        "responses": {"200": answer, **_problems(problem, has_body=has_body)},
    }
    if has_body:
        takes = _schema(TypeAdapter(operation.takes), schemas, mode="validation")
        written["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    return written


def _problems(problem: Json, *, has_body: bool) -> dict[str, Json]:
    return {
        str(status): {"description": why, "content": {"application/problem+json": {"schema": problem}}}
        for status, why in PROBLEMS.items()
        if has_body or status not in _BODY_ONLY
    }


def _parameters(operation: Operation) -> list[Json]:
    schema = operation.takes.model_json_schema()
    required = schema.get("required", [])
    written: list[Json] = []
    for name, field in schema.get("properties", {}).items():
        place = "path" if f"{{{name}}}" in operation.path else "query"
        # A query can leave a parameter out, but it cannot say null.
        kinds = [kind for kind in field.pop("anyOf", []) if kind.get("type") != "null"]
        shown = {**field, **(kinds[0] if kinds else {})}
        if shown.get("default", ...) is None:
            del shown["default"]
        written.append({"name": name, "in": place, "required": name in required, "schema": shown})
    return written


def _events(problem: Json) -> dict[str, Json]:
    return {
        "operationId": "events",
        "summary": "Live changes as server-sent events; a slow reader is cut off",
        "parameters": [],
        "responses": {
            "200": {
                "description": "An endless stream",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **_problems(problem, has_body=False),
            "503": {"description": "Too many listen", "content": {"application/problem+json": {"schema": problem}}},
        },
    }


def _schema(adapter: TypeAdapter[object], schemas: dict[str, Json], mode: str = "serialization") -> Json:
    made = adapter.json_schema(mode="validation" if mode == "validation" else "serialization", ref_template=REF)
    schemas.update(made.pop("$defs", {}))
    name = made.get("title")
    if made.get("type") != "object" or not isinstance(name, str):
        return dict(made)
    schemas[name] = dict(made)
    return {"$ref": REF.format(model=name)}
