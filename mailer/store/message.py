"""Queries about messages: storing new ones, showing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer.address import Address
from mailer.attachment import Attachment
from mailer.delivery import DeliveryStatus, EnvelopeStatus, Lane, OnUnknown, Role
from mailer.ledger import Attempt, Recipient, Submission
from mailer.message import Message
from mailer.outcome import Outcome
from mailer.store import mark
from mailer.store.database import Database
from mailer.store.tables import attachments, attempts, contents, deliveries, envelopes, marks, messages
from mailer.view import DeliveryView, MessageView

# What an envelope adds to what is shown of its message.
_SHOWN = ("status", "next_attempt_at", "updated_at", "reason", "possible_duplicates")

# Kept in tables of their own, so not in the content; of attachments the content keeps how many there are.
ATTACHMENTS = "attachments"
_ELSEWHERE = {"to", "cc", "bcc", ATTACHMENTS}


def insert(database: Database, connection: Connection, submissions: Sequence[Submission]) -> set[str]:
    """Store what is not stored yet; return the ids that are new."""
    if not submissions:
        return set()
    rows = [_message_row(s) for s in submissions]
    statement = database.insert(messages).on_conflict_do_nothing(index_elements=["id"]).returning(messages.c.id)
    new = set(connection.execute(statement, rows).scalars())
    fresh = [s for s in submissions if s.id in new]
    for table, found in (
        (contents, [_content_row(s) for s in fresh]),
        (attachments, [row for s in fresh for row in _attachment_rows(s)]),
        (envelopes, [_envelope_row(s) for s in fresh]),
        (deliveries, [row for s in fresh for row in _delivery_rows(s)]),
        (marks, [row for s in fresh for row in _mark_rows(s)]),
    ):
        if found:
            connection.execute(sa.insert(table), found)
    return new


def fingerprints(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return what was stored under these ids: id to fingerprint."""
    query = sa.select(messages.c.id, messages.c.fingerprint).where(messages.c.id.in_(ids))
    return {row.id: row.fingerprint for row in connection.execute(query)}


def view(connection: Connection, *, project_id: str, id: str) -> MessageView | None:
    """Return what is known about a message of this project, None if it has no such message."""
    query = (
        sa.select(messages, contents.c.content, *(envelopes.c[name] for name in _SHOWN))
        .join(envelopes, envelopes.c.message_id == messages.c.id)
        .join(contents, contents.c.message_id == messages.c.id)
        .where(messages.c.id == id, messages.c.project_id == project_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    people = sa.select(deliveries).where(deliveries.c.envelope_id == id).order_by(deliveries.c.position)
    return MessageView(
        id=row.id, project_id=row.project_id, request_id=row.request_id, status=EnvelopeStatus(row.status),
        lane=Lane(row.lane), on_unknown=OnUnknown(row.on_unknown), test=row.test, created_at=row.created_at,
        updated_at=row.updated_at, send_at=row.send_at, expires_at=row.expires_at, expires_chosen=row.expires_chosen,
        next_attempt_at=row.next_attempt_at, reason=row.reason, possible_duplicates=row.possible_duplicates,
        stream=row.content.get("stream") or row.lane,
        ignore_suppressions=row.content.get("ignore_suppressions", False),
        tags=tuple(row.content.get("tags", ())), metadata=row.content.get("metadata", {}),
        recipients=tuple(recipient(d) for d in connection.execute(people)),
        attempts=tuple(attempts_of(connection, [id]).get(id, ())),
    )  # fmt: skip


def recipient(row: Row[Any]) -> DeliveryView:
    """Return the state of one recipient."""
    status = DeliveryStatus(row.status)
    # What has been said of it since has nothing to do with why it was to be left out.
    reason = row.reason if status is DeliveryStatus.SUPPRESSED else None
    return DeliveryView(email=row.email, role=Role(row.role), status=status, reason=reason)


def content(connection: Connection, *, project_id: str, id: str) -> Message | None:
    """Return a message of this project as it was accepted, None if it has no such message."""
    query = sa.select(contents.c.content).where(contents.c.message_id == id, contents.c.project_id == project_id)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        return None
    people = sa.select(deliveries).where(deliveries.c.envelope_id == id).order_by(deliveries.c.position)
    files = sa.select(attachments).where(attachments.c.message_id == id).order_by(attachments.c.position)
    recipients = [
        Recipient(Role(p.role), Address.model_construct(email=p.email, name=p.name)) for p in connection.execute(people)
    ]
    return rebuild(found, recipients, connection.execute(files).all())


def attempts_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """Return the attempts of these envelopes, oldest first."""
    query = (
        sa.select(attempts).where(attempts.c.envelope_id.in_(ids)).order_by(attempts.c.envelope_id, attempts.c.number)
    )
    found: dict[str, list[Attempt]] = {}
    for row in connection.execute(query):
        found.setdefault(row.envelope_id, []).append(_attempt(row))
    return found


def rebuild(content: dict[str, Any], people: Sequence[Recipient], files: Sequence[Row[Any]]) -> Message:
    """Return the message as it was accepted, from its content, recipients and attachments."""
    return Message.restore(
        {name: value for name, value in content.items() if name != ATTACHMENTS},
        people={role: tuple(p.address for p in people if p.role is role) for role in Role},
        files=[
            Attachment.model_construct(
                filename=f.filename, content_type=f.content_type, content_id=f.content_id, content=f.content
            )
            for f in files
        ],
    )


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        id=row.id, number=row.number, round=row.round, provider=row.provider, started_at=row.started_at,
        lease_until=row.lease_until, possible_duplicate=row.possible_duplicate, outcome=Outcome(row.outcome),
        duration_ms=row.duration_ms, status_code=row.status_code, error_code=row.error_code, error=row.error,
        provider_message_id=row.provider_message_id, not_before=row.not_before, doubted_at=row.doubted_at,
    )  # fmt: skip


def _message_row(s: Submission) -> dict[str, Any]:
    return {
        "id": s.id, "project_id": s.project_id, "request_id": s.request_id, "lane": s.message.lane.value,
        "on_unknown": s.on_unknown.value, "fingerprint": s.message.fingerprint,
        "created_at": s.created_at, "expires_at": s.expires_at, "send_at": s.message.send_at, "test": s.test,
        "callback_url": s.message.callback_url,
        "expires_chosen": s.message.expires_at is not None,
    }  # fmt: skip


def _content_row(s: Submission) -> dict[str, Any]:
    content = {name: value for name, value in s.message.wire().items() if name not in _ELSEWHERE}
    if s.message.attachments:
        content[ATTACHMENTS] = len(s.message.attachments)
    return {"message_id": s.id, "project_id": s.project_id, "content": content}


def _attachment_rows(s: Submission) -> list[dict[str, Any]]:
    return [
        {
            "message_id": s.id, "position": position, "project_id": s.project_id, "filename": a.filename,
            "content_type": a.content_type, "content_id": a.content_id, "content": a.content,
        }
        for position, a in enumerate(s.message.attachments)
    ]  # fmt: skip


def _envelope_row(s: Submission) -> dict[str, Any]:
    return {
        "id": s.id, "project_id": s.project_id, "message_id": s.id, "request_id": s.request_id,
        "lane": s.message.lane.value, "status": s.status.value, "route": [], "attempts": 0,
        "possible_duplicates": 0, "next_attempt_at": s.message.send_at, "wake_at": s.wake_at,
        "updated_at": s.created_at, "created_at": s.created_at,
    }  # fmt: skip


def _mark_rows(s: Submission) -> list[dict[str, Any]]:
    found = mark.of(tags=s.message.tags, metadata=s.message.metadata)
    return [
        {"project_id": s.project_id, "mark": m, "created_at": s.created_at, "message_id": s.id} for m in sorted(found)
    ]


def _delivery_rows(s: Submission) -> list[dict[str, Any]]:
    return [
        {
            "envelope_id": s.id, "position": position, "project_id": s.project_id, "email": address.email,
            "name": address.name, "role": role.value, "status": DeliveryStatus.QUEUED.value, "updated_at": s.created_at,
            "created_at": s.created_at,
        }
        for position, (role, address) in enumerate(s.message.recipients())
    ]  # fmt: skip
