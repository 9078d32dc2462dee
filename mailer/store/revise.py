"""Queries that change what nobody has taken yet: cancel, reschedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer import ids
from mailer.delivery import EnvelopeInput
from mailer.ledger import MessageView, Move, Revision
from mailer.store import envelope
from mailer.store.database import Database
from mailer.store.message import view
from mailer.store.notes import write
from mailer.store.tables import envelopes, messages


def revise(
    database: Database,
    connection: Connection,
    id: str,
    *,
    project_id: str,
    decide: Callable[[MessageView], Revision | None],
    now: datetime,
) -> MessageView | None:
    """Let `decide` see the message, with nobody able to take it meanwhile, and do what it says.

    Returns:
        The message as it is then, None if the project has no such message. Whatever `decide` raises changes nothing.
    """
    # A claim waits for this lock, and finds what we made of it.
    connection.execute(sa.select(envelopes.c.id).where(envelopes.c.id == id).with_for_update())
    seen = view(connection, project_id=project_id, id=id)
    if seen is None:
        return None
    revision = decide(seen)
    if revision is None:
        return seen
    _apply(database, connection, seen, revision, now=now)
    return view(connection, project_id=project_id, id=id)


def _apply(database: Database, connection: Connection, seen: MessageView, revision: Revision, *, now: datetime) -> None:
    at: datetime | None = None
    if revision.times is not None:
        at, expires_at = revision.times
        times = {"send_at": at, "expires_at": expires_at}
        connection.execute(sa.update(messages).where(messages.c.id == seen.id).values(times))
    # What is to be sent now is woken by whoever asked, or by the next sweep.
    wake_at = None if revision.input is EnvelopeInput.CANCEL else at or now
    what = Move(id=seen.id, input=revision.input, next_attempt_at=at, wake_at=wake_at, seen=len(seen.attempts))
    if envelope.move(connection, [what], now=now, where=envelope.idle()):
        kind, detail = revision.note
        write(database, connection, seen.id, note_id=ids.new(), kind=kind, detail=detail, now=now)
