"""Queries about notes: what happened to an envelope beside its attempts."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.store.database import Database
from mailer.store.tables import envelopes, notes

_DETAIL = 300


def write(
    database: Database, connection: Connection, id: str, *, note_id: str, kind: str, detail: str, now: datetime
) -> bool:
    """Write a note; tell whether it is new: a note's id is written once."""
    project = connection.execute(sa.select(envelopes.c.project_id).where(envelopes.c.id == id)).scalar_one()
    note = database.insert(notes).values(
        id=note_id, project_id=project, envelope_id=id, at=now, kind=kind, detail=detail[:_DETAIL]
    )
    # By RETURNING: after an INSERT not every driver still knows how many rows there were.
    new = note.on_conflict_do_nothing(index_elements=["id"]).returning(notes.c.id)
    return connection.execute(new).scalar_one_or_none() is not None
