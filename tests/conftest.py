"""Fixtures that everybody shares: real databases, both kinds, each test with its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy.local.postgres import PostgresCluster
from mailer.store import Database, Store, migrate
from sandbox.process import Process as Sandbox

TEMPLATE = "mailer_template"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests counted (`record_property("counted", ...)`), also those that ran in another process."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, value in getattr(report, "user_properties", ()):
            if name == "counted" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """Give a private PostgreSQL of this session, with a migrated database to copy from."""
    cluster = PostgresCluster()
    try:
        cluster.start()
        cluster.create_database(TEMPLATE)
        template = Database(cluster.url(TEMPLATE))
        migrate.upgrade(template)
        template.close()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def postgres_url(postgres: PostgresCluster) -> Iterator[str]:
    """Give a fresh, migrated PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path.read_bytes()


@pytest.fixture
def sqlite_url(_sqlite_template: bytes, tmp_path: Path) -> str:
    """Give a fresh, migrated SQLite database."""
    path = tmp_path / "mailer.db"
    path.write_bytes(_sqlite_template)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Give a fresh database; every test that asks for it runs on both kinds."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Give a store on a fresh database, on both kinds."""
    database = Database(database_url)
    yield Store(database)
    database.close()


@pytest.fixture(scope="module")
def shared_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give a sandbox of this module."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture
def box(shared_box: Sandbox) -> Sandbox:
    """Give it empty, and with every fault off."""
    shared_box.mend()
    shared_box.clear()
    return shared_box


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Give a session to ask it with."""
    with requests.Session() as session:
        yield session
