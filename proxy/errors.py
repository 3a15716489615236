"""Everything that can go wrong, each with the status and the word that the client gets."""

from __future__ import annotations


class ShuntError(Exception):
    """The root of all errors of Shunt.

    `status` is the HTTP status code that a client gets for it, `word` the value of
    `x-shunt-error` for machines; `str(error)` is one line for people.
    """

    status = 500
    word = "internal"


# --- the request is at fault: nothing of it reaches a target -----------------------------


class BadRequest(ShuntError):
    """The request breaks RFC 9112 or is ambiguous."""

    status, word = 400, "bad_request"


class RequestTimeout(ShuntError):
    """The client did not send its request in time (RFC 9110 §15.5.9)."""

    status, word = 408, "request_timeout"


class LengthRequired(ShuntError):
    """A body of unknown length where one is needed (RFC 9110 §15.5.12)."""

    status, word = 411, "length_required"


class BodyTooLarge(ShuntError):
    """The body is longer than the limit of the route (RFC 9110 §15.5.14)."""

    status, word = 413, "body_too_large"


class TargetTooLong(ShuntError):
    """The request-target is longer than the limit (RFC 9110 §15.5.15)."""

    status, word = 414, "uri_too_long"


class HeadTooLarge(ShuntError):
    """The request's head is longer than the limit (RFC 6585 §5)."""

    status, word = 431, "head_too_large"


class NotImplementedHere(ShuntError):
    """A method or transfer coding that this proxy does not forward (RFC 9110 §15.6.2)."""

    status, word = 501, "not_implemented"


class VersionNotSupported(ShuntError):
    """Another protocol version than HTTP/1.0 and HTTP/1.1 (RFC 9110 §15.6.6)."""

    status, word = 505, "version_not_supported"


class LoopDetected(ShuntError):
    """The request came through this instance too often (RFC 5842 §7.2)."""

    status, word = 508, "loop"


# --- nobody can answer it ---------------------------------------------------------------


class NoService(ShuntError):
    """No service answers for the request's host."""

    status, word = 404, "no_service"


class NoRoute(ShuntError):
    """The service has routes, and none of them matches."""

    status, word = 404, "no_route"


class NoTarget(ShuntError):
    """The chosen version has no usable target."""

    status, word = 503, "no_target"


class Overloaded(ShuntError):
    """A limit on connections or pending requests is reached; try again later."""

    status, word = 503, "overloaded"


class HeldTooLong(ShuntError):
    """The service is on hold and the wait has reached its bound."""

    status, word = 503, "held"


# --- a target failed it -----------------------------------------------------------------


class TargetFailed(ShuntError):
    """The root of what a target can do wrong."""

    status, word = 502, "bad_answer"


class ConnectFailed(TargetFailed):
    """No connection to the target."""

    word = "connect"


class ConnectionReset(TargetFailed):
    """The target closed the connection before its answer was complete."""

    word = "reset"


class BadAnswer(TargetFailed):
    """The target's answer breaks RFC 9112."""

    word = "bad_answer"


class ResponseTimeout(TargetFailed):
    """The target did not answer in time (RFC 9110 §15.6.5)."""

    status, word = 504, "timeout"


# --- the control plane ------------------------------------------------------------------


class Conflict(ShuntError):
    """The change does not fit the present state; nothing was changed."""

    status, word = 409, "conflict"


class NotFound(ShuntError):
    """No such service, route, version or target."""

    status, word = 404, "not_found"


class Invalid(ShuntError):
    """A value of a change or of a file is not valid; nothing was changed."""

    status, word = 422, "invalid"
