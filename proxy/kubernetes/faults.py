"""What the API server refuses, and what it means for whoever asked."""

from __future__ import annotations

from proxy.errors import ShuntError


class ApiError(ShuntError):
    """The API server did not do what it was asked; `code` is its HTTP status, 0 when it was not reached."""

    status, word = 503, "kubernetes"

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(ApiError):
    """No answer: refused, cut off, or too late."""


class Missing(ApiError):
    """404: there is no such object."""


class Forbidden(ApiError):
    """401 or 403: the token is not accepted, or the Role does not allow it."""


class Overtaken(ApiError):
    """409: the object was changed by somebody else since it was read."""


class Expired(ApiError):
    """410: the resourceVersion is too old to go on from; list again."""


_BY_CODE: dict[int, type[ApiError]] = {401: Forbidden, 403: Forbidden, 404: Missing, 409: Overtaken, 410: Expired}


def fault_of(code: int, message: str) -> ApiError:
    """The error for an HTTP status."""
    return _BY_CODE.get(code, ApiError)(message, code)
