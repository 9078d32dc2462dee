"""Who may come in: bearer keys (RFC 6750), and what each may do (api/operation.py says what it takes)."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TypedDict

import flask

from api import operation, state
from api.errors import MissingScope, NetworkNotAllowed, RateLimited, SenderNotAllowed, Unauthorized
from api.limiter import Verdict
from mailer.api_key import DEFAULT_PROJECT, ApiKey
from mailer.message import Message
from mailer.resource import Scope

# The key of the environment: the first one, which makes the others.
BOOTSTRAP_KEY = ApiKey(
    id="bootstrap",
    project_id=DEFAULT_PROJECT,
    name="bootstrap",
    prefix="",
    digest=b"",
    test=False,
    scopes=frozenset({Scope.ADMIN}),
    created_at=datetime(1970, 1, 1, tzinfo=UTC),
)


def register(app: flask.Flask) -> None:
    """Let nobody in without a key where one is asked for, before anything else is looked at."""
    app.before_request(_enter)
    app.after_request(_show_limits)


def key() -> ApiKey:
    """Return the key of this request."""
    found: ApiKey = flask.g.key
    return found


class World(TypedDict):
    """Which messages a key works with: those of its project, test messages or the others."""

    project_id: str
    test: bool


def world() -> World:
    """Return which messages this request is about."""
    return World(project_id=key().project_id, test=key().test)


def token() -> str:
    """Return what stands after `Bearer`; empty if nothing does."""
    scheme, _, given = flask.request.headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def may_send(message: Message) -> None:
    """Return if the key may send this message.

    Raises:
        SenderNotAllowed: not from this domain.
        MissingScope: not to those who are suppressed.
    """
    domain = message.sender.domain
    if not key().may_send_from(domain):
        raise SenderNotAllowed(domain)
    if message.ignore_suppressions and not key().may(Scope.IGNORE_SUPPRESSIONS):
        raise MissingScope(Scope.IGNORE_SUPPRESSIONS, field="/ignore_suppressions")


def count(cost: int) -> None:
    """Count a request as several; raise RateLimited if that is too many."""
    if cost > 0:
        verdict = state.current().limiter.count(key(), cost=cost)
        flask.g.verdict = verdict
        if not verdict.passed:
            raise RateLimited(verdict.retry_after)


def _enter() -> None:
    # OPTIONS only says which methods there are.
    if flask.request.method == "OPTIONS" or flask.request.endpoint is None:
        return
    what = operation.of(flask.current_app, flask.request.endpoint)
    if what is None or what.scope is None:
        return
    found = _find(token())
    flask.g.key, flask.g.key_name = found, found.name
    if not found.may_be_used_from(flask.request.remote_addr):
        raise NetworkNotAllowed
    if not found.may(what.scope):
        raise MissingScope(what.scope)
    count(1)


def _find(given: str) -> ApiKey:
    # Bytes, since compare_digest refuses text beyond ASCII; headers come as latin-1.
    first = state.current().settings.api_key.encode()
    if hmac.compare_digest(given.encode("latin-1", "replace"), first):
        return BOOTSTRAP_KEY
    found = state.current().keyring.find(given)
    if found is None:
        raise Unauthorized
    return found


def _show_limits(response: flask.Response) -> flask.Response:
    """Say what is allowed and what is left (draft-ietf-httpapi-ratelimit-headers)."""
    verdict: Verdict | None = flask.g.get("verdict")
    if verdict is not None and verdict.quotas:
        policies = (f'"{q.policy}";q={q.quota};w={q.window}' for q in verdict.quotas)
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(f'"{q.policy}";r={q.left};t={q.reset}' for q in verdict.quotas)
    return response
