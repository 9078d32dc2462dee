"""Queries about suppressions: written, found, listed, lifted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import ids
from mailer.store.database import Database
from mailer.store.tables import suppression_removals, suppressions
from mailer.suppression import Reason, Suppression
from mailer.view import SuppressionSelection

# Characters of the detail.
DETAIL = 300

_NAME = ["project_id", "email", "test", "stream", "reason"]


def insert(database: Database, connection: Connection, given: Sequence[Suppression]) -> set[str]:
    """Store what is not stored yet; return the ids that are new. One that is known stays as it is."""
    if not given:
        return set()
    # In one order everywhere: two who store the same ones must not wait for each other.
    rows = [_row(s) for s in sorted(given, key=lambda s: (s.project_id, s.email, s.test, s.stream, s.reason))]
    new = database.insert(suppressions).on_conflict_do_nothing(index_elements=_NAME).returning(suppressions.c.id)
    return set(connection.execute(new, rows).scalars())


def same(connection: Connection, given: Suppression) -> Suppression | None:
    """Return the one that is stored under the same address, stream and reason."""
    row = _row(given)
    mine = [suppressions.c[name] == row[name] for name in _NAME]
    found = connection.execute(sa.select(suppressions).where(*mine)).one_or_none()
    return _suppression(found) if found else None


def get(connection: Connection, id: str, *, project_id: str, test: bool) -> Suppression | None:
    """Return a suppression of this project and world."""
    mine = (suppressions.c.id == id, suppressions.c.project_id == project_id, suppressions.c.test == test)
    found = connection.execute(sa.select(suppressions).where(*mine)).one_or_none()
    return _suppression(found) if found else None


def page(connection: Connection, wanted: SuppressionSelection) -> list[Suppression]:
    """Return up to `limit` suppressions, the newest first."""
    c = suppressions.c
    query = sa.select(suppressions).where(c.project_id == wanted.project_id, c.test == wanted.test)
    for column, value in (
        (c.email, wanted.email), (c.domain, wanted.domain), (c.reason, wanted.reason), (c.stream, wanted.stream),
    ):  # fmt: skip
        if value is not None:
            query = query.where(column == value)
    if wanted.after is not None:
        place = (sa.literal(wanted.after.created_at, c.created_at.type), sa.literal(wanted.after.id, c.id.type))
        query = query.where(sa.tuple_(c.created_at, c.id) < sa.tuple_(*place))
    query = query.order_by(c.created_at.desc(), c.id.desc()).limit(wanted.limit)
    return [_suppression(row) for row in connection.execute(query)]


def lift(connection: Connection, id: str, *, project_id: str, test: bool, now: datetime) -> bool:
    """Delete a suppression of this project and world, and have the providers forget it too; tell whether it was there.

    What was suppressed for test messages no provider knows of.
    """
    mine = (suppressions.c.id == id, suppressions.c.project_id == project_id, suppressions.c.test == test)
    gone = sa.delete(suppressions).where(*mine).returning(suppressions.c.email, suppressions.c.reason)
    row = connection.execute(gone).one_or_none()
    if row is None:
        return False
    if not test:
        removal = {"id": ids.new(), "project_id": project_id, "email": row.email, "reason": row.reason}
        connection.execute(
            sa.insert(suppression_removals), [removal | {"created_at": now, "next_at": now, "attempts": 0}]
        )
    return True


def _row(s: Suppression) -> dict[str, Any]:
    return {
        "id": s.id, "project_id": s.project_id, "test": s.test, "email": s.email,
        "domain": s.email.rpartition("@")[2], "stream": s.stream, "reason": s.reason.value, "source": s.source,
        "detail": s.detail, "created_at": s.created_at,
    }  # fmt: skip


def _suppression(row: Row[Any]) -> Suppression:
    return Suppression(
        id=row.id, project_id=row.project_id, test=row.test, email=row.email, stream=row.stream,
        reason=Reason(row.reason), source=row.source, detail=row.detail, created_at=row.created_at,
    )  # fmt: skip
