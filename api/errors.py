"""Errors as problem+json (RFC 9457): one table, no try in any view."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import flask
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from mailer import log, request_id
from mailer.errors import InvalidMessage, MailerError, StoreUnavailable, StoreUncertain

_log = log.get(__name__)

# How much of a body that is too large is read away, so that its sender gets to see the answer.
_DRAIN = 100_000_000


class Unauthorized(MailerError):
    """No key, or a wrong one."""


class NotJson(MailerError):
    """The body is not JSON."""


class WrongContentType(MailerError):
    """The body is not declared as JSON."""


class NoSuchMessage(MailerError):
    """This project has no message with this id."""


# (status, title, detail)
_TABLE: dict[type[Exception], tuple[int, str]] = {
    InvalidMessage: (422, "The message is not valid"),
    Unauthorized: (401, "A valid API key is required"),
    NotJson: (400, "The body is not a JSON object"),
    WrongContentType: (415, "The body must be application/json"),
    NoSuchMessage: (404, "There is no such message"),
    StoreUnavailable: (503, "The database is not available; nothing was stored"),
    StoreUncertain: (503, "The database did not confirm; the message may have been stored"),
}

_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="mailer"'},
    503: {"Retry-After": "5"},
}


def register(app: flask.Flask) -> None:
    """Answer every error of this application as a problem."""
    for kind in _TABLE:
        app.register_error_handler(kind, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(InternalServerError, _unexpected)


def problem(status: int, title: str, *, detail: str | None = None, **more: Any) -> flask.Response:
    """Return a problem+json answer with the request's id."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "request_id": request_id.current(),
        **more,
    }
    if detail:
        body["detail"] = detail
    response = flask.jsonify(body)
    response.status_code = status
    response.content_type = "application/problem+json"
    response.headers.update(_HEADERS.get(status, {}))
    return response


def _ours(error: Exception) -> flask.Response:
    status, title = next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
    if isinstance(error, StoreUnavailable):
        _log.error("store.unavailable", error=str(error))
        return _uncertain(status, title, error) if isinstance(error, StoreUncertain) else problem(status, title)
    if isinstance(error, InvalidMessage):
        wrong = [{"pointer": p.pointer, "detail": p.detail, "code": p.code} for p in error.problems]
        return problem(status, title, detail=str(error)[:1000], errors=wrong)
    return problem(status, title, detail=str(error) or None)


def _uncertain(status: int, title: str, error: StoreUncertain) -> flask.Response:
    """Name the place to look at before sending it again: there it is, or it was not stored."""
    if error.id is None:
        return problem(status, title)
    response = problem(status, title, id=error.id)
    response.headers["Location"] = flask.url_for("messages.show", id=error.id)
    return response


def _http(error: HTTPException) -> flask.Response:
    """Flask's and Werkzeug's own: 404, 405, 400 and the like."""
    status = error.code or 500
    response = problem(status, HTTPStatus(status).phrase, detail=error.description)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _too_large(_: RequestEntityTooLarge) -> flask.Response:
    limit = flask.current_app.config["MAX_CONTENT_LENGTH"]
    _drain()
    return problem(413, "The body is too large", detail=f"at most {limit} bytes are taken")


def _drain() -> None:
    # A server that answers and closes while the body is still coming makes its sender see a reset, not the answer.
    stream, left = flask.request.environ["wsgi.input"], min(flask.request.content_length or 0, _DRAIN)
    while left > 0 and (piece := stream.read(min(left, 65_536))):
        left -= len(piece)


def _unexpected(_: InternalServerError) -> flask.Response:
    """Something we did not think of: Flask has told the log and Sentry; the caller learns nothing of the inside."""
    return problem(500, "Something went wrong here; it has been reported")
