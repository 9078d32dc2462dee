"""Queries that take messages in: stored whole, and those who are suppressed left out at once."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer import suppression
from mailer.delivery import EnvelopeInput, Role
from mailer.ledger import Move, Submission
from mailer.store import envelope, message, standing
from mailer.store.database import Database


def accept(
    database: Database, connection: Connection, submissions: Sequence[Submission]
) -> tuple[set[str], frozenset[str]]:
    """Store what is not stored yet.

    Returns:
        The ids that are new, and those among them that have ended: nobody is left who may be mailed.
    """
    new = message.insert(database, connection, submissions)
    guarded = {s.id: s for s in submissions if s.id in new and not s.message.ignore_suppressions}
    found = standing.people(connection, [*guarded], suppressed_only=True) if guarded else {}
    ended = {id for id, people in found.items() if _left_out(database, connection, guarded[id], people)}
    return new, frozenset(ended)


def _left_out(database: Database, connection: Connection, given: Submission, people: Sequence[standing.Person]) -> bool:
    """Leave out who is suppressed; tell whether that has ended the sending."""
    barred = standing.barred(people, suppression.in_the_way(given.message), test=given.test)
    if not barred:
        return False
    standing.suppress(database, connection, given.id, barred, now=given.created_at)
    out = {b.position for b in barred}
    left = [Role(role) for position, (role, _) in enumerate(given.message.recipients()) if position not in out]
    reason = suppression.end(left)
    if reason is None:
        return False
    what = Move(id=given.id, input=EnvelopeInput.FAIL, reason=reason)
    return bool(envelope.move(connection, [what], now=given.created_at, where=sa.true()))
