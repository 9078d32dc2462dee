"""What the API answers, as JSON-ready values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mailer.clock import rfc3339
from mailer.ledger import Attempt, MessageView


def message(view: MessageView) -> dict[str, Any]:
    """Return the body of `GET /v1/messages/{id}`. Times are RFC 3339 UTC."""
    return {
        "id": view.id,
        "status": view.status,
        "reason": view.reason,
        "lane": view.lane,
        "on_unknown": view.on_unknown,
        "test": False,
        "send_at": None,
        "tags": [],
        "metadata": {},
        "request_id": view.request_id,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "expires_at": rfc3339(view.expires_at),
        "next_attempt_at": _time(view.next_attempt_at),
        "possible_duplicate": view.possible_duplicates > 0,
        "possible_duplicates": view.possible_duplicates,
        "recipients": [{"email": r.email, "role": r.role, "status": r.status} for r in view.recipients],
        "attempts": [_attempt(a) for a in view.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider,
        "started_at": rfc3339(attempt.started_at),
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status_code,
        "outcome": attempt.outcome,
        "provider_message_id": attempt.provider_message_id,
        "error": _error(attempt),
        "possible_duplicate": attempt.possible_duplicate,
    }


def _error(attempt: Attempt) -> str | None:
    if attempt.error_code is None:
        return None
    return f"{attempt.error_code}: {attempt.error}" if attempt.error else attempt.error_code


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
