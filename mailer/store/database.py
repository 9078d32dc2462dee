"""The connection to the database: engine, transactions, and its failures as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from mailer.errors import StoreUnavailable


class Database:
    """Transactions on PostgreSQL or SQLite.

    Args:
        url: SQLAlchemy's, `postgresql+psycopg://...` or `sqlite:///...`.
        pool_size: connections kept open, at least the threads that use them.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgres(url, pool_size)
        # Several queries of one read must see one moment: PostgreSQL's default would show each its own.
        one_moment = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._reader = self.engine.execution_options(**one_moment)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end; raise StoreUnavailable if the database fails us."""
        with _translated(), self.engine.execution_options(write=True).begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction for reading only."""
        with _translated(), self._reader.connect() as connection:
            yield connection

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return an INSERT that knows ON CONFLICT: the same words, but each dialect has its own class."""
        return postgresql.insert(table) if self.engine.dialect.name == "postgresql" else sqlite.insert(table)

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()


# A deploy whose workers came before its migration: waited for, as if the database were away.
_NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)

# Down, hung, locked, out of connections, or (InternalError) a standby that takes no writes yet.
_UNAVAILABLE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.TimeoutError)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.ProgrammingError as error:
        if not isinstance(error.orig, _NOT_MIGRATED):
            raise
        raise StoreUnavailable("not migrated yet") from error
    except _UNAVAILABLE as error:
        # The driver's words may hold a host and a user, which is no business of the caller's.
        raise StoreUnavailable(type(error.orig).__name__ if isinstance(error, sa.exc.DBAPIError) else "pool") from error


def _postgres(url: str, pool_size: int) -> Engine:
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,  # a connection that died while pooled is replaced before it is used
        hide_parameters=True,  # addresses and bodies stay out of error messages
        connect_args={
            "connect_timeout": 5,
            # What the server can bound, and a network that swallows packets. A server that is stopped in its tracks
            # (SIGSTOP) is not noticed by any of these.
            "options": "-c statement_timeout=15000 -c lock_timeout=10000 -c timezone=UTC",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )


def _sqlite(url: str) -> Engine:
    path = sa.make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        # The driver's own BEGIN is switched off: it comes too late and is never IMMEDIATE.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Writers queue up at BEGIN; a transaction that began by reading could not become one without a deadlock.
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
