"""The connection to the database when the database does not behave."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from deploy.local.postgres import PostgresCluster
from deploy.local.proxy import Proxy
from mailer import clock
from mailer.errors import StoreUnavailable, StoreUncertain
from mailer.store import Database, migrate


def test_a_server_that_is_stopped_in_its_tracks_is_given_up_within_seconds(
    postgres: PostgresCluster, postgres_url: str
) -> None:
    database = Database(postgres_url, timeout=1, pool_size=1)
    with database.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    postgres.pause()
    try:
        # Once over the connection from the pool, once over a new one.
        for _ in range(2):
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable), database.write() as connection:
                connection.execute(sa.text("SELECT 1"))
            assert time.monotonic() - begun < 12
    finally:
        postgres.resume()
    with database.write() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    database.close()


def test_a_server_that_stops_in_the_middle_of_a_transaction_is_given_up_too(
    postgres: PostgresCluster, postgres_url: str
) -> None:
    database = Database(postgres_url, timeout=1)

    def stop_in_the_middle() -> None:
        with database.write() as connection:
            connection.execute(sa.text("SELECT 1"))
            postgres.pause()
            connection.execute(sa.text("SELECT 1"))

    try:
        with pytest.raises(StoreUnavailable):
            stop_in_the_middle()
    finally:
        postgres.resume()
    database.close()


def test_a_migration_may_take_its_time(postgres: PostgresCluster) -> None:
    postgres.create_database("slow_migration")
    database = Database(postgres.url("slow_migration"), timeout=0.5)
    holder = Database(postgres.url("slow_migration"))
    with holder.write() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": migrate._LOCK})
        done: list[str | None] = []
        thread = threading.Thread(target=lambda: done.append(_migrated(database)))
        thread.start()
        thread.join(5)
        assert thread.is_alive()
    thread.join(30)
    assert done == [migrate.head()]
    database.close()
    holder.close()
    postgres.drop_database("slow_migration")


def _migrated(database: Database) -> str | None:
    migrate.upgrade(database)
    return migrate.revision(database)


def test_the_servers_time_is_everybodys(postgres_url: str, sqlite_url: str) -> None:
    server, file = Database(postgres_url), Database(sqlite_url)
    moment = server.now()
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)
    assert abs(moment - clock.now()) < timedelta(seconds=5)
    assert file.now() is None
    server.close()
    file.close()


def test_a_commit_that_is_not_answered_is_uncertain(postgres: PostgresCluster, postgres_url: str) -> None:
    with Proxy(postgres.port) as line:
        database = Database(postgres_url.replace(f":{postgres.port}/", f":{line.port}/"), timeout=1)
        with database.read() as connection:
            connection.execute(sa.text("SELECT 1"))

        def cut_at_the_commit() -> None:
            with database.write() as connection:
                connection.execute(sa.text("SELECT 1"))
                line.hang()

        with pytest.raises(StoreUncertain):
            cut_at_the_commit()
        line.mend()
        database.close()


def test_what_fails_before_its_commit_was_certainly_not_stored(postgres: PostgresCluster, postgres_url: str) -> None:
    with Proxy(postgres.port) as line:
        database = Database(postgres_url.replace(f":{postgres.port}/", f":{line.port}/"), timeout=1)

        def cut_in_the_middle() -> None:
            with database.write() as connection:
                connection.execute(sa.text("SELECT 1"))
                line.cut()
                connection.execute(sa.text("SELECT 1"))

        with pytest.raises(StoreUnavailable) as failed:
            cut_in_the_middle()
        assert not isinstance(failed.value, StoreUncertain)
        database.close()
