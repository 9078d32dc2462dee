"""The request id, in and out, and one access line a request."""

from __future__ import annotations

import time

import flask

from mailer import log, request_id

_log = log.get("api.access")

# For every answer that does not say otherwise: it is for a program, and no page may use it.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def register(app: flask.Flask) -> None:
    """Give every request an id and a line in the log."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_leave)


def _begin() -> None:
    flask.g.begun = time.monotonic()
    request_id.enter(request_id.clean(flask.request.headers.get("X-Request-ID")))


def _leave(_: BaseException | None) -> None:
    """Let the server's own lines between two requests not carry the last one's id."""
    request_id.enter(None)


def _end(response: flask.Response) -> flask.Response:
    response.headers["X-Request-ID"] = request_id.current() or ""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    request = flask.request
    _log.info(
        "request",
        method=request.method,
        # The template, not the path: a line says what kind of request it was, and no id or guess gets in.
        path=request.url_rule.rule if request.url_rule else None,
        status=response.status_code,
        duration_ms=round((time.monotonic() - flask.g.begun) * 1000, 1),
        ip=request.remote_addr,
        key=flask.g.get("key_name"),
        message_id=flask.g.get("message_id"),
    )
    return response
