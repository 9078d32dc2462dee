"""From the service's answer to its content, or to the error that it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mailer.client import error
from mailer.client.error import ServiceError
from mailer.errors import InvalidMessage, MailerError, Problem, ProviderError, TemporarilyRefused
from mailer.ports import HttpResponse
from mailer.retry import retry_after

# Every slug of mailer/problem_type.py but invalid-message, which is no ServiceError.
BY_SLUG: dict[str, type[ServiceError]] = {
    "not-json": error.InvalidRequest,
    "bad-request": error.InvalidRequest,
    "invalid-signature": error.Unauthorized,
    "unauthorized": error.Unauthorized,
    "missing-scope": error.MissingScope,
    "network-not-allowed": error.NetworkNotAllowed,
    "from-not-allowed": error.FromNotAllowed,
    "not-found": error.NotFound,
    "method-not-allowed": error.InvalidRequest,
    "too-late": error.TooLate,
    "idempotency-key-in-use": error.IdempotencyKeyInUse,
    "precondition-failed": error.PreconditionFailed,
    "too-large": error.TooLarge,
    "unsupported-media-type": error.InvalidRequest,
    "invalid-request": error.InvalidRequest,
    "too-broad": error.TooBroad,
    "busy": error.Busy,
    "idempotency-key-reused": error.IdempotencyKeyReused,
    "rate-limited": error.RateLimited,
    "internal-error": error.InternalError,
    "unavailable": error.Unavailable,
    "uncertain": error.Uncertain,
    "backlog": error.Backlog,
}
INVALID_MESSAGE = "invalid-message"

# Of a slug that is newer than this client, and of a proxy's own answers.
BY_STATUS: dict[int, type[ServiceError]] = {
    400: error.InvalidRequest,
    401: error.Unauthorized,
    403: error.Forbidden,
    404: error.NotFound,
    412: error.PreconditionFailed,
    413: error.TooLarge,
    422: error.InvalidRequest,
    429: error.RateLimited,
    500: error.InternalError,
    503: error.Unavailable,
}
# Whoever stands in front of the service got no answer from it.
_GATEWAY = frozenset({502, 504})


def content(answer: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a yes.

    Raises:
        InvalidMessage: every wrong field of a message.
        ServiceError: everything else that is no yes.
    """
    data = _object(answer.body)
    if not 200 <= answer.status < 300:
        raise failure(answer, data or {})
    if data is None:
        raise error.UnreadableAnswer(f"answer {answer.status} is not a JSON object", status=answer.status)
    return data


def failure(answer: HttpResponse, problem: dict[str, Any]) -> MailerError:
    """Return the error that an answer means."""
    slug = _slug(problem)
    if slug == INVALID_MESSAGE:
        return InvalidMessage(error.problems(problem) or (Problem("", str(problem.get("detail")), slug),))
    # What has no problem+json is not the service's own.
    text = f"{answer.status}: {problem.get('detail') or problem.get('title') or 'refused'}"
    if answer.status in _GATEWAY and slug not in BY_SLUG:
        return error.NoAnswer(text, left=True, status=answer.status)
    kind = BY_SLUG.get(slug) or BY_STATUS.get(answer.status, ServiceError)
    wait = retry_after(answer.headers.get("retry-after"), now=datetime.now(UTC))
    return kind(text, status=answer.status, problem=problem, retry_after=wait)


def no_answer(cause: ProviderError, url: str) -> error.NoAnswer:
    """Return what a transport's failure means for the caller."""
    return error.NoAnswer(f"no answer from {url}: {cause}", left=not isinstance(cause, TemporarilyRefused))


def _slug(problem: dict[str, Any]) -> str:
    _, found, slug = str(problem.get("type", "")).rpartition("/problems/")
    return slug if found else ""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
