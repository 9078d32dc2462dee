"""Queries of the operator about calls that died on the broker before their message was stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import ids
from mailer.ledger import DeadCall
from mailer.replay import Group, Wanted
from mailer.store.database import Database
from mailer.store.tables import dead_calls


def groups(connection: Connection, wanted: Wanted) -> list[Group]:
    """Return how many there are of those wanted, by reason, most first."""
    chosen = _chosen(wanted).subquery()
    query = sa.select(chosen.c.reason, sa.func.count(), sa.func.min(chosen.c.died_at)).group_by(chosen.c.reason)
    found = [Group(status="dead", error=r[0], count=r[1], oldest_at=r[2]) for r in connection.execute(query)]
    return sorted(found, key=lambda group: (-group.count, group.error or ""))


def find(connection: Connection, wanted: Wanted) -> list[str]:
    """Return the ids of those wanted, the oldest first: each may be as large as a mail."""
    return list(connection.execute(_chosen(wanted).with_only_columns(dead_calls.c.id)).scalars())


def load(
    connection: Connection, *, ids: Sequence[str] = (), request_id: str | None = None, limit: int
) -> list[DeadCall]:
    """Return the calls with these ids, or of this request, the oldest first."""
    mine = sa.or_(dead_calls.c.id.in_(ids), dead_calls.c.request_id == request_id)
    query = sa.select(dead_calls).where(mine).order_by(dead_calls.c.died_at, dead_calls.c.id).limit(limit)
    return [_dead_call(row) for row in connection.execute(query)]


def forget(connection: Connection, id: str) -> None:
    """Delete one: it was published again."""
    connection.execute(sa.delete(dead_calls).where(dead_calls.c.id == id))


def _chosen(wanted: Wanted) -> sa.Select[Any]:
    c = dead_calls.c
    query = sa.select(c.id, c.reason, c.died_at).order_by(c.died_at, c.id).limit(wanted.limit)
    if wanted.ids:
        query = query.where(c.id.in_(wanted.ids))
    if wanted.error:
        query = query.where(c.reason == wanted.error)
    if wanted.since:
        query = query.where(c.died_at >= wanted.since)
    if wanted.until:
        query = query.where(c.died_at < wanted.until)
    return query


def _dead_call(row: Row[Any]) -> DeadCall:
    return DeadCall(
        id=row.id, project_id=row.project_id, request_id=row.request_id, reason=row.reason, died_at=row.died_at,
        call=row.call,
    )  # fmt: skip


def keep(database: Database, connection: Connection, call: DeadCall) -> None:
    """Keep a call; once, however often it is told. Another one of the same id is kept under an id of its own."""
    statement = database.insert(dead_calls).values(
        id=call.id, project_id=call.project_id, request_id=call.request_id, reason=call.reason[:64],
        died_at=call.died_at, call=dict(call.call),
    )  # fmt: skip
    new = statement.on_conflict_do_nothing(index_elements=["id"]).returning(dead_calls.c.id)
    if connection.execute(new).scalar_one_or_none() is not None:
        return
    kept = connection.execute(sa.select(dead_calls.c.call).where(dead_calls.c.id == call.id)).scalar_one()
    if (what := json.dumps(call.call, sort_keys=True)) != json.dumps(kept, sort_keys=True):
        keep(database, connection, replace(call, id=ids.derived(f"{call.id} {what}")))
