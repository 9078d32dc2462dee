"""Queries about breakers: which providers are left alone. Shared by every worker."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.ledger import Breaker
from mailer.store.database import Database
from mailer.store.tables import breakers


def known(connection: Connection, *, scopes: Collection[str]) -> list[Breaker]:
    """Return the breakers of these scopes, those past their time too: such a provider is probed by one mail."""
    return [
        Breaker(provider=r.provider, scope=r.scope, open_until=r.open_until, reason=r.reason)
        for r in connection.execute(sa.select(breakers).where(breakers.c.scope.in_(scopes)))
    ]


def open(database: Database, connection: Connection, breaker: Breaker, *, now: datetime) -> None:
    """Leave a provider alone until `breaker.open_until`."""
    values = {"open_until": breaker.open_until, "reason": breaker.reason}
    statement = database.insert(breakers).values(
        provider=breaker.provider, scope=breaker.scope, opened_at=now, **values
    )
    connection.execute(statement.on_conflict_do_update(index_elements=["provider", "scope"], set_=values))


def probe(connection: Connection, breaker: Breaker, *, until: datetime) -> bool:
    """Take the one right to try a provider whose time is over; for all others it stays closed `until` then."""
    statement = sa.update(breakers).where(*_is(breaker), breakers.c.open_until == breaker.open_until)
    return connection.execute(statement.values(open_until=until)).rowcount == 1


def close(connection: Connection, breaker: Breaker) -> None:
    """The provider is well again."""
    connection.execute(sa.delete(breakers).where(*_is(breaker)))


def _is(breaker: Breaker) -> tuple[sa.ColumnElement[bool], ...]:
    return breakers.c.provider == breaker.provider, breakers.c.scope == breaker.scope
