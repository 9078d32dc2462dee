"""From what the core knows to what the API answers (mailer/resource.py)."""

from __future__ import annotations

from datetime import datetime

from mailer.api_key import ApiKey
from mailer.endpoint import Endpoint
from mailer.feed import EndpointSecret, EndpointState
from mailer.ledger import Attempt
from mailer.resource import AttemptState, KeyState, MessageState, MessageSummary, RecipientState, SuppressionState
from mailer.suppression import Suppression
from mailer.view import DeliveryView, MessageLine, MessageView


def message(view: MessageView) -> MessageState:
    """Return what is known about a message."""
    return MessageState(
        id=view.id, status=view.status, reason=view.reason, lane=view.lane, on_unknown=view.on_unknown,
        stream=view.stream, ignore_suppressions=view.ignore_suppressions,
        test=view.test, request_id=view.request_id, created_at=view.created_at, updated_at=view.updated_at,
        send_at=view.send_at, expires_at=view.expires_at, next_attempt_at=view.next_attempt_at,
        possible_duplicate=view.possible_duplicates > 0, possible_duplicates=view.possible_duplicates,
        tags=list(view.tags), metadata=dict(view.metadata),
        recipients=[_recipient(r) for r in view.recipients], attempts=[attempt(a) for a in view.attempts],
    )  # fmt: skip


def summary(line: MessageLine) -> MessageSummary:
    """Return a message as a list shows it."""
    return MessageSummary(
        id=line.id, status=line.status, reason=line.reason, lane=line.lane, test=line.test,
        request_id=line.request_id, created_at=line.created_at, updated_at=line.updated_at, send_at=line.send_at,
        provider=line.provider, recipients=[_recipient(r) for r in line.recipients],
        recipient_count=line.recipient_count,
    )  # fmt: skip


def attempt(attempt: Attempt) -> AttemptState:
    """Return one attempt."""
    return AttemptState(
        provider=attempt.provider, started_at=attempt.started_at, duration_ms=attempt.duration_ms,
        status_code=attempt.status_code, outcome=attempt.outcome,
        provider_message_id=attempt.provider_message_id or None,
        error=_error(attempt), possible_duplicate=attempt.possible_duplicate,
    )  # fmt: skip


def key(key: ApiKey) -> KeyState:
    """Return a key, without its secret."""
    return KeyState(
        id=key.id, name=key.name, project=key.project_id, prefix=key.prefix, test=key.test,
        scopes=sorted(key.scopes), from_domains=list(key.from_domains), networks=[str(n) for n in key.networks],
        rate=key.rate, created_at=key.created_at, expires_at=key.expires_at, revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )  # fmt: skip


def endpoint(e: Endpoint) -> EndpointState:
    """Return an endpoint, without its secrets."""
    return EndpointState(
        id=e.id, url=e.url, description=e.description, types=sorted(e.types), per_message=e.per_message, test=e.test,
        enabled=e.disabled_reason is None, disabled_at=e.disabled_at,
        disabled_reason=e.disabled_reason.value if e.disabled_reason else None, failures=e.failures,
        failing_since=e.failing_since, rest_until=e.rest_until, succeeded_at=e.succeeded_at, created_at=e.created_at,
    )  # fmt: skip


def secrets(e: Endpoint, *, now: datetime) -> list[EndpointSecret]:
    """Return the secrets of an endpoint that hold."""
    return [
        EndpointSecret(secret=key.secret.text, created_at=key.created_at, expires_at=key.expires_at)
        for key in e.keys
        if key.holds(now=now)
    ]


def suppression(found: Suppression) -> SuppressionState:
    """Return a suppression."""
    return SuppressionState(
        id=found.id, email=found.email, reason=found.reason, stream=found.stream or None, source=found.source,
        detail=found.detail, created_at=found.created_at,
    )  # fmt: skip


def _recipient(recipient: DeliveryView) -> RecipientState:
    return RecipientState(email=recipient.email, role=recipient.role, status=recipient.status, reason=recipient.reason)


def _error(attempt: Attempt) -> str | None:
    if attempt.error_code is None:
        return None
    return f"{attempt.error_code}: {attempt.error}" if attempt.error else attempt.error_code
