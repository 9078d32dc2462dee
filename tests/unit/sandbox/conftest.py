"""A sandbox in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.process import Process


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
