"""Errors as problem+json (RFC 9457): one table, no try in any view. What each means is in mailer/problem_type.py."""

from __future__ import annotations

from typing import Any

import flask
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from api.gate import RETRY_AFTER, TooMuchWaiting
from mailer import log, request_id
from mailer.errors import (
    Invalid,
    InvalidMessage,
    InvalidSignature,
    KeyInUse,
    KeyReused,
    MailerError,
    StoreUnavailable,
    StoreUncertain,
    TooBroad,
    TooLate,
)
from mailer.problem_type import PROBLEM_TYPES
from mailer.resource import Scope

_log = log.get(__name__)

# How much of a body that is too large is read away, so that its sender gets to see the answer.
_DRAIN = 100_000_000


class Unauthorized(MailerError):
    """No key, or a wrong one."""


class MissingScope(MailerError):
    """The key lacks the scope; `field` points at what needs it, where that is a field of the body."""

    def __init__(self, scope: Scope, *, field: str | None = None) -> None:
        super().__init__(f"it lacks the scope {scope}")
        self.scope = scope
        self.field = field


class NetworkNotAllowed(MailerError):
    """The key may not be used from the caller's address."""


class SenderNotAllowed(MailerError):
    """The key may not send from this domain."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"it may not send from {domain}")


class RateLimited(MailerError):
    """Too many requests."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("")
        self.retry_after = retry_after


class NotJson(MailerError):
    """The body is not JSON."""


class WrongContentType(MailerError):
    """The body is not declared as what is taken here."""


class NotFound(MailerError):
    """This project has nothing with this id."""


class Busy(MailerError):
    """This process answers as many of these as it may already."""


class Stale(MailerError):
    """It is not any more what `If-Match` says."""


_TABLE: dict[type[Exception], str] = {
    InvalidMessage: "invalid-message",
    Invalid: "invalid-request",
    Unauthorized: "unauthorized",
    InvalidSignature: "invalid-signature",
    MissingScope: "missing-scope",
    NetworkNotAllowed: "network-not-allowed",
    SenderNotAllowed: "from-not-allowed",
    RateLimited: "rate-limited",
    NotJson: "not-json",
    WrongContentType: "unsupported-media-type",
    NotFound: "not-found",
    Stale: "precondition-failed",
    TooLate: "too-late",
    TooBroad: "too-broad",
    Busy: "busy",
    KeyInUse: "idempotency-key-in-use",
    KeyReused: "idempotency-key-reused",
    TooMuchWaiting: "backlog",
    StoreUnavailable: "unavailable",
    StoreUncertain: "uncertain",
}

# Flask's and Werkzeug's own.
_HTTP = {
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    500: "internal-error",
}

_HEADERS: dict[str, dict[str, str]] = {
    "unauthorized": {"WWW-Authenticate": 'Bearer realm="mailer"'},
    "invalid-signature": {"WWW-Authenticate": 'Signature realm="webhooks"'},
    "idempotency-key-in-use": {"Retry-After": "1"},
    "busy": {"Retry-After": "2"},
    "unavailable": {"Retry-After": "5"},
    "uncertain": {"Retry-After": "5"},
    "backlog": {"Retry-After": str(RETRY_AFTER)},
}


def register(app: flask.Flask) -> None:
    """Answer every error of this application as a problem."""
    for kind in _TABLE:
        app.register_error_handler(kind, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(InternalServerError, _unexpected)


def body(error: Exception, *, most: int) -> dict[str, Any]:
    """Return the problem that an error of ours is, as JSON-ready values, with so many wrong fields at most."""
    found = _body(_slug(error), detail=_detail(error), **_more(error))
    return found | ({"errors": found["errors"][:most]} if "errors" in found else {})


def problem(slug: str, *, status: int | None = None, detail: str | None = None, **more: Any) -> flask.Response:
    """Return a problem+json answer with the request's id."""
    response = flask.jsonify(_body(slug, status=status, detail=detail, **more))
    response.status_code = response.get_json()["status"]
    response.content_type = "application/problem+json"
    response.headers.update(_HEADERS.get(slug, {}))
    return response


def _body(slug: str, *, status: int | None = None, detail: str | None = None, **more: Any) -> dict[str, Any]:
    kind = PROBLEM_TYPES[slug]
    found = {
        "type": f"{flask.request.host_url}problems/{slug}",
        "title": kind.title,
        "status": status or kind.status,
        "request_id": request_id.current(),
        **more,
    }
    return {**found, "detail": detail} if detail else found


def _ours(error: Exception) -> flask.Response:
    if isinstance(error, StoreUnavailable):
        _log.error("store.unavailable", error=str(error))
    response = problem(_slug(error), detail=_detail(error), **_more(error))
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, StoreUncertain) and error.id is not None:
        # The place to look at before sending it again: there it is, or it was not stored.
        response.headers["Location"] = flask.url_for("messages.show", id=error.id)
    return response


def _slug(error: Exception) -> str:
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def _detail(error: Exception) -> str | None:
    # The database's own words are no business of the caller's.
    return None if isinstance(error, StoreUnavailable) else str(error)[:1000] or None


def _more(error: Exception) -> dict[str, Any]:
    """Return what a problem says beside the standard members."""
    match error:
        case Invalid():
            return {"errors": [{"pointer": p.pointer, "detail": p.detail, "code": p.code} for p in error.problems]}
        case TooLate():
            return {"state": error.state}
        case MissingScope(field=None):
            return {"scope": error.scope}
        case MissingScope():
            wrong = {"pointer": error.field, "detail": f"needs a key with the scope {error.scope}"}
            return {"scope": error.scope, "errors": [wrong | {"code": "missing_scope"}]}
        case StoreUncertain() if error.id is not None:
            return {"id": error.id}
    return {}


def _http(error: HTTPException) -> flask.Response:
    """Flask's and Werkzeug's own: 404, 405, 400 and the like."""
    status = error.code or 500
    # Flask's own words for a path that is none are meant for whoever types it into a browser.
    detail = None if status == 404 else error.description
    response = problem(_HTTP.get(status, "bad-request"), status=status, detail=detail)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _too_large(_: RequestEntityTooLarge) -> flask.Response:
    limit = flask.request.max_content_length
    _drain()
    return problem("too-large", detail=f"at most {limit} bytes are taken")


def _drain() -> None:
    # A server that answers and closes while the body is still coming makes its sender see a reset, not the answer.
    stream, left = flask.request.environ["wsgi.input"], min(flask.request.content_length or 0, _DRAIN)
    while left > 0 and (piece := stream.read(min(left, 65_536))):
        left -= len(piece)


def _unexpected(_: InternalServerError) -> flask.Response:
    """Something we did not think of: Flask has told the log and Sentry; the caller learns nothing of the inside."""
    return problem("internal-error")
