"""The one file in which mails and switches survive a kill -9."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
create table if not exists mail (
    id integer primary key autoincrement,
    provider text not null,
    provider_message_id text not null,
    received_at text not null,
    envelope_id text,
    subject text not null,
    recipients text not null,
    answered text not null,
    content text not null
);
create index if not exists mail_envelope on mail (envelope_id);
create index if not exists mail_message_id on mail (provider_message_id);
create table if not exists attachment (
    mail_id integer not null references mail on delete cascade,
    position integer not null,
    filename text not null,
    content_type text not null,
    content blob not null,
    primary key (mail_id, position)
);
create table if not exists listed (
    provider text not null,
    list text not null,
    address text not null,
    at text not null,
    mail_id integer not null references mail on delete cascade
);
create index if not exists listed_address on listed (provider, list, address, at);
create index if not exists listed_mail on listed (mail_id);
create table if not exists fault (
    provider text primary key,
    fault text not null,
    hits integer not null
);
"""


class Database:
    """One connection for all threads: a transaction takes some fifty microseconds, waiting for it little more."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        # WAL without a sync at each commit survives any death of the process; only the machine's could cost mail.
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("pragma foreign_keys = on")
        self._connection.executescript(SCHEMA)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within one transaction."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def read(self, sql: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return every row."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()
