"""Queries about the story of one message."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.store import event, message
from mailer.store.tables import envelopes, messages, notes
from mailer.story import Note, Story


def by_id(connection: Connection, id: str) -> list[tuple[str, str]]:
    """Return the message that has this id, or whose envelope has it, as (id, project)."""
    query = sa.select(messages.c.id, messages.c.project_id).join(envelopes, envelopes.c.message_id == messages.c.id)
    return [(r.id, r.project_id) for r in connection.execute(query.where(envelopes.c.id == id))]


def by_request(connection: Connection, request_id: str, *, limit: int) -> tuple[list[tuple[str, str]], int]:
    """Return the first messages that a request brought, as (id, project), and how many there are in all."""
    mine = messages.c.request_id == request_id
    query = sa.select(messages.c.id, messages.c.project_id).where(mine)
    found = connection.execute(query.order_by(messages.c.created_at, messages.c.id).limit(limit)).all()
    total: int = connection.execute(sa.select(sa.func.count()).select_from(messages).where(mine)).scalar_one()
    return [(r.id, r.project_id) for r in found], total


def stories(connection: Connection, found: Sequence[tuple[str, str]]) -> list[Story]:
    """Return the stories of these messages, in their order."""
    made = [_story(connection, id, project_id) for id, project_id in found]
    return [story for story in made if story is not None]


def _story(connection: Connection, id: str, project_id: str) -> Story | None:
    view = message.view(connection, project_id=project_id, id=id)
    if view is None:
        return None
    envelope = connection.execute(sa.select(envelopes.c.route, envelopes.c.wake_at).where(envelopes.c.id == id)).one()
    written = sa.select(notes).where(notes.c.envelope_id == id).order_by(notes.c.at, notes.c.id)
    return Story(
        message=view, route=tuple(envelope.route), wake_at=envelope.wake_at,
        notes=tuple(Note(at=n.at, kind=n.kind, detail=n.detail) for n in connection.execute(written)),
        events=tuple(event.of(connection, id)),
    )  # fmt: skip
