"""pytest-celery's nodes as processes on this machine instead of containers.

pytest-celery asks that a node's container is a `CeleryTestContainer`; what it does with it is start, read logs,
kill and restart. `ProcessContainer` does that to a process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_celery import CeleryTestContainer

from deploy.local.port import wait_until
from deploy.local.process import Process

ROOT = Path(__file__).parents[2]


class ProcessContainer(CeleryTestContainer):
    """A container that is a process: the same words, no Docker."""

    def __init__(self, process: Process, *, ready_prompt: str, config: Mapping[str, Any] | None = None) -> None:
        # Container.__init__ wants a Docker container; nothing of it is used.
        self.process = process
        self._prompt = ready_prompt
        self._config = dict(config or {})
        # Logs of earlier lives stay in the file; readiness is that of this life.
        self._begun = 0

    @property
    def id(self) -> str:
        """The name, as good an id as any."""
        return self.process.name

    @property
    def name(self) -> str:
        """The process's name."""
        return self.process.name

    @property
    def status(self) -> str:
        """`running` or `exited`, Docker's words."""
        return "running" if self.process.running else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        """Docker's inspection; there is none."""
        return {}

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """What Celery needs to know of this node."""
        return dict(self._config)

    @property
    def ready_prompt(self) -> str:
        """The words in the log that say it is ready."""
        return self._prompt

    def start(self) -> None:
        """Start it."""
        self._begun = self.process.log.stat().st_size if self.process.log.exists() else 0
        self.process.start()

    def ready(self) -> bool:
        """Wait until it says that it is ready; a clear failure with its log if it does not."""
        self.process.wait_ready(lambda: self._prompt in self.logs()[self._begun :], timeout=60)
        return True

    def logs(self) -> str:
        """All it has written."""
        return self.process.log.read_text(encoding="utf-8", errors="replace") if self.process.log.exists() else ""

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal and wait for the end."""
        number = _number(signal)
        if number is SIGKILL:
            self.process.kill()
            return
        os.kill(self.process.pid, number)
        assert wait_until(lambda: not self.process.running, timeout=60), f"{self.name} did not end"

    def restart(self, timeout: int = 15) -> None:
        """Stop and start it."""
        self.process.stop(timeout=timeout)
        self.start()
        self.ready()

    def reload(self) -> None:
        """Nothing is cached."""

    def remove(self, **_: Any) -> None:
        """Stop it for good."""
        self.process.stop()

    def teardown(self) -> None:
        """Stop it for good."""
        self.process.stop()

    def exec_run(self, cmd: str, **_: Any) -> tuple[int, bytes]:
        """Refuse: nothing of ours runs commands inside a node."""
        raise NotImplementedError(cmd)


SIGKILL = signal.SIGKILL


def _number(value: str | int) -> signal.Signals:
    return signal.Signals[value] if isinstance(value, str) else signal.Signals(value)


def program(name: str, command: Sequence[str], *, environment: Mapping[str, str], logs: Path) -> Process:
    """Return one of our own programs, run from the repository with this Python."""
    return Process(
        name=name,
        command=[sys.executable, *command],
        log=logs / f"{name}.log",
        environment={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environment},
        directory=ROOT,
    )


def worker(name: str, *, environment: Mapping[str, str], logs: Path, queues: str) -> ProcessContainer:
    """Return a Celery worker as a node."""
    command = ["-m", "celery", "-q", "-A", "tasks", "worker", "-Q", queues, "--hostname", f"{name}@localhost"]
    process = program(name, command, environment=environment, logs=logs)
    return ProcessContainer(process, ready_prompt="ready.")
