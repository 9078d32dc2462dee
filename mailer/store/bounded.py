"""A psycopg connection whose caller never waits for ever.

The server's own timeouts bound what the server notices. One that is stopped in its tracks (SIGSTOP, a machine that
hangs) notices nothing, and TCP keeps such a connection alive: its kernel still answers.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy.engine import Connection


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer within `patience` seconds (None: never)."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server; every statement, commit and ping comes by here.

        Raises:
            psycopg.OperationalError: it did not answer in time; what became of the transaction is not known.
        """
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except errors._WaitTimeout:
            # Whatever it still answers belongs to a question that nobody asks any more.
            self.pgconn.finish()
            raise psycopg.OperationalError("the database did not answer in time") from None


def without_limit(connection: Connection) -> None:
    """Let whoever holds this connection wait as long as it takes, until it is given back."""
    held: object = connection.connection.dbapi_connection
    if isinstance(held, BoundedConnection):
        held.patience = None
        connection.connection.invalidate(soft=True)
