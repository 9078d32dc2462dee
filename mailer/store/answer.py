"""Queries about kept answers: a request with an Idempotency-Key is done once, and answered the same each time.

The answer is written in the transaction of what it answers, so there is no state in between: whoever dies before the
commit has done nothing, and leaves no key locked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.errors import KeyInUse, KeyReused
from mailer.ledger import Answer, Once
from mailer.store.database import Database
from mailer.store.tables import answers

KEPT = timedelta(hours=24)

_NAME = (answers.c.project_id, answers.c.test, answers.c.key)


def once(database: Database, connection: Connection, asked: Once | None, do: Callable[[], Answer]) -> Answer:
    """Return the kept answer, or that of `do`, which is kept with it.

    Raises:
        KeyInUse: the first request with this key is still running.
        KeyReused: the key belongs to another request.
    """
    if asked is None:
        return do()
    if not _locked(connection, asked):
        raise KeyInUse
    if (before := look(connection, asked)) is not None:
        return before
    answer = do()
    kept = {
        "fingerprint": asked.fingerprint, "status": answer.status, "body": dict(answer.body), "created_at": asked.now,
    }  # fmt: skip
    statement = database.insert(answers).values(project_id=asked.project_id, test=asked.test, key=asked.key, **kept)
    # In the place of one that is too old to count.
    connection.execute(statement.on_conflict_do_update(index_elements=["project_id", "test", "key"], set_=kept))
    return answer


def look(connection: Connection, asked: Once) -> Answer | None:
    """Return the kept answer; None if there is none, or only one that is too old.

    Raises:
        KeyReused: the key belongs to another request.
    """
    fresh = answers.c.created_at > asked.now - KEPT
    row = connection.execute(sa.select(answers).where(*_named(asked), fresh)).one_or_none()
    if row is None:
        return None
    if row.fingerprint != asked.fingerprint:
        raise KeyReused
    return Answer(status=row.status, body=row.body, replayed=True)


def forget(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` answers that are too old; return how many."""
    old = sa.select(*_NAME).where(answers.c.created_at <= now - KEPT).limit(limit)
    return connection.execute(sa.delete(answers).where(sa.tuple_(*_NAME).in_(old))).rowcount


def _named(asked: Once) -> tuple[sa.ColumnElement[bool], ...]:
    return answers.c.project_id == asked.project_id, answers.c.test == asked.test, answers.c.key == asked.key


def _locked(connection: Connection, asked: Once) -> bool:
    """Take the key until the end of the transaction; tell whether nobody else has it."""
    if connection.dialect.name == "sqlite":
        return True  # one writer at a time, and we are it
    # Gone with the transaction, also with one whose process was killed.
    name = f"{asked.project_id} {asked.test} {asked.key}"
    got: bool = connection.execute(
        sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(name, 0)))
    ).scalar_one()
    return got
