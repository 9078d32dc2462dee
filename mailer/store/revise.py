"""Queries that change what nobody has taken yet: cancel, reschedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer import ids
from mailer.delivery import EnvelopeInput
from mailer.ledger import Move, Revision
from mailer.store import envelope
from mailer.store.database import Database
from mailer.store.message import view
from mailer.store.notes import write
from mailer.store.tables import envelopes, messages
from mailer.view import MessageView


def revise(
    database: Database,
    connection: Connection,
    id: str,
    *,
    project_id: str,
    test: bool,
    decide: Callable[[MessageView], Revision | None],
    now: datetime,
) -> MessageView | None:
    """Let `decide` see the message, with nobody able to take it meanwhile, and do what it says.

    Returns:
        The message as it is then, None if the project has no such message, among its test messages or the others.
        Whatever `decide` raises changes nothing.
    """
    # A claim waits for this lock, and finds what we made of it.
    mine = (envelopes.c.id == id, envelopes.c.project_id == project_id)
    connection.execute(sa.select(envelopes.c.id).where(*mine).with_for_update())
    seen = view(connection, project_id=project_id, id=id)
    if seen is None or seen.test != test:
        return None
    revision = decide(seen)
    if revision is None:
        return seen
    _apply(database, connection, seen, revision, now=now)
    return view(connection, project_id=project_id, id=id)


def _apply(database: Database, connection: Connection, seen: MessageView, revision: Revision, *, now: datetime) -> None:
    at: datetime | None = None
    if revision.times is not None:
        at, expires_at, chosen = revision.times
        times = {"send_at": at, "expires_at": expires_at, "expires_chosen": chosen}
        connection.execute(sa.update(messages).where(messages.c.id == seen.id).values(times))
    # What is to be sent now is woken by whoever asked, or by the next sweep. It has been waiting since now, whenever it
    # was accepted: without a time it would count as the oldest of the backlog.
    due = None if revision.input is EnvelopeInput.CANCEL else at or now
    what = Move(id=seen.id, input=revision.input, next_attempt_at=due, wake_at=due, seen=len(seen.attempts))
    if envelope.move(connection, [what], now=now, where=envelope.idle()):
        kind, detail = revision.note
        write(database, connection, seen.id, note_id=ids.new(), kind=kind, detail=detail, now=now)
