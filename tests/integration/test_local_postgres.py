"""The private PostgreSQL cluster of the other tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from deploy.local import postgres, tree
from deploy.local.error import DidNotStartError, PortInUseError
from deploy.local.port import answers, wait_until
from deploy.local.postgres import PostgresCluster

pytestmark = pytest.mark.skipif(not postgres.installed(), reason="PostgreSQL is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    running = PostgresCluster()
    running.start()
    yield running
    running.remove()


@pytest.fixture
def database(cluster: PostgresCluster) -> Iterator[str]:
    cluster.create_database('a "new" one')
    yield cluster.url('a "new" one')
    cluster.drop_database('a "new" one')


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def test_a_committed_row_survives_a_kill(cluster: PostgresCluster, database: str) -> None:
    execute(database, "CREATE TABLE kept (value int)")
    execute(database, "INSERT INTO kept VALUES (7)")
    cluster.kill()
    assert not cluster.answers()
    cluster.start()
    assert execute(database, "SELECT value FROM kept") == [(7,)]


def test_a_kill_ends_the_sessions_too(cluster: PostgresCluster, database: str) -> None:
    session = psycopg.connect(database.replace("+psycopg", ""))
    cluster.kill()
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()
    cluster.start()


def test_a_paused_cluster_lets_open_sessions_hang_until_it_is_resumed(cluster: PostgresCluster, database: str) -> None:
    with psycopg.connect(database.replace("+psycopg", "")) as session:
        cluster.pause()
        try:
            session.pgconn.send_query(b"SELECT 1")
            assert not wait_until(lambda: _answered(session), timeout=0.5)
        finally:
            cluster.resume()
        assert wait_until(lambda: _answered(session), timeout=5)
        while session.pgconn.get_result():
            pass


def _answered(session: psycopg.Connection[tuple[object, ...]]) -> bool:
    session.pgconn.consume_input()
    return not session.pgconn.is_busy()


def test_a_database_can_be_copied_from_another(cluster: PostgresCluster, database: str) -> None:
    execute(database, "CREATE TABLE copied (value int)")
    cluster.create_database("copy", template='a "new" one')
    assert execute(cluster.url("copy"), "SELECT count(*) FROM copied") == [(0,)]
    cluster.drop_database("copy")


def test_what_is_committed_is_flushed_as_in_production(cluster: PostgresCluster) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert execute(cluster.url(), f"SHOW {setting}") == [("on",)]


def test_stop_leaves_no_process_behind() -> None:
    cluster = PostgresCluster()
    cluster.start()
    family = [cluster.pid, *tree.descendants(cluster.pid)]
    assert len(family) > 1
    cluster.remove()
    assert tree.alive(family) == []
    assert not answers(cluster.port)
    assert not cluster.base.exists()


def test_a_taken_port_is_named(cluster: PostgresCluster) -> None:
    second = PostgresCluster(port=cluster.port)
    with pytest.raises(PortInUseError, match=str(cluster.port)):
        second.start()
    second.remove()


def test_a_cluster_that_cannot_start_says_why() -> None:
    cluster = PostgresCluster(settings={"no_such_setting": "on"})
    with pytest.raises(DidNotStartError, match="no_such_setting"):
        cluster.start()
    cluster.remove()


def test_a_directory_that_its_user_cannot_reach_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = PostgresCluster(closed / "base")
    if cluster.user is None:
        pytest.skip("only root's cluster runs as another user")
    with pytest.raises(DidNotStartError, match="may not enter /"):
        cluster.start()
