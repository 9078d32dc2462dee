"""A sandbox in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from sandbox.process import Process


@pytest.fixture(scope="module")
def shared_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture
def box(shared_box: Process) -> Process:
    shared_box.mend()
    shared_box.clear()
    return shared_box


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start sandboxes that share one directory, as restarts do."""
    started: list[Process] = []

    def start(**options: object) -> Process:
        started.append(Process(tmp_path, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session
