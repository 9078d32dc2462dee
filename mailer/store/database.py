"""The connection to the database: engine, transactions, and its failures as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from mailer.errors import StoreUnavailable, StoreUncertain, TooBroad
from mailer.store.bounded import BoundedConnection

# Seconds that a statement may take, and that a caller waits for a connection or a lock.
TIMEOUT = 10.0


class Database:
    """Transactions on PostgreSQL or SQLite.

    Args:
        url: SQLAlchemy's, `postgresql+psycopg://...` or `sqlite:///...`.
        pool_size: connections kept open, at least the threads that use them.
        timeout: seconds that a statement, a lock or a free connection is waited for.
    """

    def __init__(self, url: str, *, pool_size: int = 5, timeout: float = TIMEOUT) -> None:
        self.engine = _sqlite(url, timeout) if url.startswith("sqlite") else _postgres(url, pool_size, timeout)
        # Several queries of one read must see one moment: PostgreSQL's default would show each its own.
        one_moment = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._reader = self.engine.execution_options(**one_moment)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end.

        Raises:
            StoreUnavailable: the database failed us; nothing was stored.
            StoreUncertain: it failed us in the commit.
        """
        engine = self.engine.execution_options(write=True)
        with _translated(), engine.connect() as connection, connection.begin() as transaction:
            yield connection
            try:
                transaction.commit()
            except _UNAVAILABLE as error:
                raise StoreUncertain(_name(error)) from error

    @contextmanager
    def read(self, *, patience: float | None = None) -> Iterator[Connection]:
        """Open a transaction for reading only.

        Args:
            patience: seconds that each statement may take where that is less than usual; on PostgreSQL.

        Raises:
            TooBroad: it took longer than `patience`.
        """
        with _translated(), self._reader.connect() as connection:
            if patience is None or self.engine.dialect.name == "sqlite":
                yield connection
                return
            connection.execute(sa.text(f"SET LOCAL statement_timeout = {round(patience * 1000)}"))
            try:
                yield connection
            except sa.exc.OperationalError as error:
                if isinstance(error.orig, psycopg.errors.QueryCanceled):
                    raise TooBroad from error
                raise

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return an INSERT that knows ON CONFLICT: the same words, but each dialect has its own class."""
        return postgresql.insert(table) if self.engine.dialect.name == "postgresql" else sqlite.insert(table)

    def now(self) -> datetime | None:
        """Return the server's time, None where the database is a file and this machine's clock is everybody's."""
        if self.engine.dialect.name == "sqlite":
            return None
        with self.read() as connection:
            moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            return moment

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
        raise StoreUnavailable(_name(error)) from error


def _name(error: Exception) -> str:
    # The driver's words may hold a host and a user, which is no business of the caller's.
    return type(error.orig).__name__ if isinstance(error, sa.exc.DBAPIError) else "pool"


def _postgres(url: str, pool_size: int, timeout: float) -> Engine:
    milliseconds = round(timeout * 1000)
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout,
        pool_pre_ping=True,  # a connection that died while pooled is replaced before it is used
        hide_parameters=True,  # addresses and bodies stay out of error messages
        connect_args={
            "connect_timeout": 5,
            # What the server can bound, and a network that swallows packets.
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} -c timezone=UTC",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        # The server has the first word: its own timeout is a clear answer, ours ends the connection.
        connection = BoundedConnection.connect(*args, **options)
        connection.patience = timeout + 3
        return connection

    return engine


def _sqlite(url: str, timeout: float) -> Engine:
    path = sa.make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": timeout})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        # The driver's own BEGIN is switched off: it comes too late and is never IMMEDIATE.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout={round(timeout * 1000)}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Writers queue up at BEGIN; a transaction that began by reading could not become one without a deadlock.
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
