"""The response schemas of OFREP 0.3.0, transcribed from `components/schemas` of its OpenAPI document.

Source: https://github.com/open-feature/protocol, service/openapi.yaml, Apache-2.0.
Two things differ on purpose. A whole number is both an `integerFlag` and a `floatFlag`, so the document's
`oneOf` over the flag types is an `anyOf` here. `codeDefaultFlag` is described there as having no value;
here it must have none.
"""

from __future__ import annotations

import jsonschema_rs

Schema = dict[str, object]

KEY: Schema = {"type": "string"}
DETAILS: Schema = {"type": "string"}
METADATA: Schema = {"type": "object", "additionalProperties": {"type": ["boolean", "string", "number"]}}


def _typed(kind: str) -> Schema:
    return {"properties": {"value": {"type": kind}}, "required": ["value"]}


EVALUATION_SUCCESS: Schema = {
    "type": "object",
    "required": ["key", "reason"],
    "properties": {
        "key": KEY,
        "reason": {"type": "string", "enum": ["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"]},
        "variant": {"type": "string"},
        "metadata": METADATA,
    },
    "anyOf": [
        *map(_typed, ("boolean", "string", "integer", "number", "object")),
        {"not": {"required": ["value"]}},
    ],
}
EVALUATION_FAILURE: Schema = {
    "type": "object",
    "required": ["key", "errorCode"],
    "properties": {
        "key": KEY,
        "errorCode": {"type": "string", "enum": ["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"]},
        "errorDetails": DETAILS,
        "metadata": METADATA,
    },
}
FLAG_NOT_FOUND: Schema = {
    "type": "object",
    "required": ["key", "errorCode"],
    "properties": {
        "key": KEY,
        "errorCode": {"type": "string", "enum": ["FLAG_NOT_FOUND"]},
        "errorDetails": DETAILS,
        "metadata": METADATA,
    },
}
BULK_SUCCESS: Schema = {
    "type": "object",
    "required": ["flags"],
    "properties": {
        "flags": {"type": "array", "items": {"oneOf": [EVALUATION_SUCCESS, EVALUATION_FAILURE]}},
        "metadata": METADATA,
    },
}
BULK_FAILURE: Schema = {
    "type": "object",
    "required": ["errorCode"],
    "properties": {"errorCode": {"type": "string"}, "errorDetails": DETAILS},
}

SINGLE = {200: EVALUATION_SUCCESS, 400: EVALUATION_FAILURE, 404: FLAG_NOT_FOUND}
BULK = {200: BULK_SUCCESS, 400: BULK_FAILURE}


def validate(answers: dict[int, Schema], status: int, body: object) -> None:
    """jsonschema_rs.ValidationError if the body is not what OFREP specifies for the status."""
    jsonschema_rs.validator_for(answers[status]).validate(body)
