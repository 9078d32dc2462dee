"""Queries about endpoints: stored, shown, changed; and whose turn it is to call one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer.callback import Secret
from mailer.calling import Turn, Waiting
from mailer.endpoint import Disabled, Endpoint, Key
from mailer.event import FeedType
from mailer.store.tables import callbacks, endpoints

# Endpoints of one project and world.
MOST = 100
_DELETED = "deleted"


def insert(connection: Connection, endpoint: Endpoint) -> None:
    """Store an endpoint."""
    fixed = {name: getattr(endpoint, name) for name in ("id", "project_id", "test", "created_at")}
    connection.execute(sa.insert(endpoints).values(fixed | _changeable(endpoint)))


def save(connection: Connection, endpoint: Endpoint) -> None:
    """Store what has changed of an endpoint."""
    connection.execute(sa.update(endpoints).where(endpoints.c.id == endpoint.id).values(_changeable(endpoint)))


def get(connection: Connection, id: str, *, project_id: str, test: bool, lock: bool = False) -> Endpoint | None:
    """Return an endpoint of this project and world; with `lock` nobody else changes it meanwhile."""
    query = sa.select(endpoints).where(endpoints.c.id == id, *_world(project_id, test))
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return None if row is None else _endpoint(row)


def listed(connection: Connection, project_id: str, *, test: bool) -> list[Endpoint]:
    """Return the endpoints of a project, the newest first."""
    query = sa.select(endpoints).where(*_world(project_id, test))
    rows = connection.execute(query.order_by(endpoints.c.created_at.desc(), endpoints.c.id.desc()))
    return [_endpoint(row) for row in rows]


def crowd(connection: Connection) -> int:
    """Return how many endpoints the project with the most has."""
    per_project = sa.select(sa.func.count().label("number")).where(_there())
    counts = per_project.group_by(endpoints.c.project_id, endpoints.c.test).subquery()
    return connection.execute(sa.select(sa.func.max(counts.c.number))).scalar_one() or 0


def delete(connection: Connection, id: str, *, project_id: str, test: bool, now: datetime) -> bool:
    """Let an endpoint be gone; tell whether it was there. What it was told is deleted bit by bit, it may be a lot."""
    statement = sa.update(endpoints).where(endpoints.c.id == id, *_world(project_id, test))
    gone = statement.values(disabled_at=now, disabled_reason=_DELETED, rest_until=None, secrets=[])
    return connection.execute(gone).rowcount == 1


def deleted(connection: Connection) -> list[str]:
    """Return endpoints that are gone, but for what they were told."""
    query = sa.select(endpoints.c.id).where(endpoints.c.disabled_reason == _DELETED)
    return list(connection.execute(query.limit(10)).scalars())


def take_turns(connection: Connection, ids: Sequence[str], turn: Turn, *, well: bool, now: datetime) -> list[Endpoint]:
    """Return those of these endpoints that from now on are called by nobody else.

    Args:
        well: only those that are not in trouble.
    """
    # Locked first and looked at afterwards: whoever is about to end its turn is waited for, and what came meanwhile is
    # told by one of both. In one order: two turns must not wait for each other.
    all_of_them = sa.select(endpoints.c.id).where(endpoints.c.id.in_(ids)).order_by(endpoints.c.id)
    connection.execute(all_of_them.with_for_update(key_share=True))
    where = (endpoints.c.id.in_(ids), _callable(now), *((_well(),) if well else ()))
    taken = sa.update(endpoints).where(*where).values(turn_id=turn.id, turn_until=turn.until).returning(endpoints)
    return [_endpoint(row) for row in connection.execute(taken)]


def hold_turns(connection: Connection, ids: Sequence[str], turn: Turn) -> list[Endpoint]:
    """Return those of these endpoints, as they are by now and locked, whose turn is still this one."""
    query = sa.select(endpoints).where(endpoints.c.id.in_(ids), endpoints.c.turn_id == turn.id, _there())
    rows = connection.execute(query.order_by(endpoints.c.id).with_for_update(key_share=True))
    return [_endpoint(row) for row in rows]


def end_turns(connection: Connection, ids: Sequence[str]) -> None:
    """Let others call these."""
    connection.execute(sa.update(endpoints).where(endpoints.c.id.in_(ids)).values(turn_id=None, turn_until=None))


def due(connection: Connection, *, before: datetime, now: datetime, limit: int) -> set[Waiting]:
    """Return endpoints that something is due for since before a time, and that nobody calls."""
    late = sa.exists().where(callbacks.c.endpoint_id == endpoints.c.id, _pending(), callbacks.c.next_at <= before)
    query = sa.select(endpoints.c.id, _well().label("well")).where(_callable(now), late).limit(limit)
    return {Waiting(row.id, alone=not row.well) for row in connection.execute(query)}


def _well() -> sa.ColumnElement[bool]:
    return sa.and_(endpoints.c.failures == 0, endpoints.c.slow.is_(False))


def _callable(now: datetime) -> sa.ColumnElement[bool]:
    e = endpoints.c
    return sa.and_(
        sa.or_(e.turn_until.is_(None), e.turn_until <= now),
        sa.or_(e.rest_until.is_(None), e.rest_until <= now),
        sa.or_(e.disabled_reason.is_(None), e.disabled_reason == Disabled.FAILING.value),
    )


def _pending() -> sa.ColumnElement[bool]:
    # In the words of the partial index.
    return sa.text("callbacks.status = 'pending'")  # type: ignore[return-value]


def _world(project_id: str, test: bool) -> tuple[sa.ColumnElement[bool], ...]:
    return (endpoints.c.project_id == project_id, endpoints.c.test == test, _there())


def _there() -> sa.ColumnElement[bool]:
    return sa.or_(endpoints.c.disabled_reason.is_(None), endpoints.c.disabled_reason != _DELETED)


def _changeable(e: Endpoint) -> dict[str, Any]:
    return {
        "url": e.url, "description": e.description, "types": sorted(e.types), "per_message": e.per_message,
        "secrets": [_wire(key) for key in e.keys], "disabled_at": e.disabled_at,
        "disabled_reason": e.disabled_reason.value if e.disabled_reason else None, "failures": e.failures,
        "slow": e.slow, "failing_since": e.failing_since, "rest_until": e.rest_until, "succeeded_at": e.succeeded_at,
    }  # fmt: skip


def _wire(key: Key) -> dict[str, str | None]:
    ends = key.expires_at.isoformat() if key.expires_at else None
    return {"secret": key.secret.text, "created_at": key.created_at.isoformat(), "expires_at": ends}


def _key(stored: dict[str, Any]) -> Key:
    ends = stored["expires_at"]
    return Key(
        secret=Secret(stored["secret"]), created_at=datetime.fromisoformat(stored["created_at"]),
        expires_at=datetime.fromisoformat(ends) if ends else None,
    )  # fmt: skip


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id, project_id=row.project_id, test=row.test, url=row.url, description=row.description,
        types=frozenset(map(FeedType, row.types)), per_message=row.per_message,
        keys=tuple(map(_key, row.secrets)), created_at=row.created_at, disabled_at=row.disabled_at,
        disabled_reason=Disabled(row.disabled_reason) if row.disabled_reason else None, failures=row.failures,
        failing_since=row.failing_since, slow=row.slow, rest_until=row.rest_until, succeeded_at=row.succeeded_at,
    )  # fmt: skip
