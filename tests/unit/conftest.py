"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.store import Database, Store
from sandbox.process import Process as Sandbox
from tests.unit.reading import Place, environment
from tests.unit.world import World


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """Give a world on SQLite; what depends on the database is tested with the store, on both kinds."""
    database = Database(sqlite_url)
    yield World(Store(database), tmp_path / "spool")
    database.close()


@pytest.fixture
def place(store: Store, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Give what reads providers back, over a sandbox."""
    for name, value in environment(box).items():
        monkeypatch.setenv(name, value)
    return Place(store, box)
