"""Malformed requests to our own listeners are everyday events: one quiet line each, never a traceback."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _Quiet(logging.Filter):
    """Puts what a client did wrong at DEBUG, in one line; what went wrong with us stays as it is."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        record.msg = f"{record.getMessage()}: {' '.join(error.message.split())}"
        record.args, record.exc_info, record.exc_text = (), None, None
        return self._logger.isEnabledFor(logging.DEBUG)


def quieten() -> None:
    """From now on aiohttp's servers tell of malformed requests at DEBUG only."""
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, _Quiet) for each in logger.filters):
        logger.addFilter(_Quiet(logger))
