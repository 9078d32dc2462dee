"""One program of ours: its output in a log file, tied to our life, stopped with everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.local import tree
from deploy.local.error import DidNotStartError
from deploy.local.port import wait_until

TETHER = Path(__file__).with_name("tether.py")


class Process:
    """A program that can be started, stopped, killed and paused; every call may be repeated."""

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        user: str | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(environment)
        self.user = user
        self.directory = directory
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises LookupError while it does not run."""
        if self._popen is None or self._popen.poll() is not None:
            raise LookupError(f"{self.name} does not run")
        return self._popen.pid

    @property
    def running(self) -> bool:
        """True while the program itself lives (paused counts)."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C in our terminal is ours to handle."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*self._tether(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.directory,
                start_new_session=True,
            )

    def wait_ready(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Returns when `ready()`; otherwise kills it and raises DidNotStartError with the tail of its log."""
        wait_until(lambda: not self.running or ready(), timeout=timeout)
        if self.running and ready():
            return
        why = f"did not answer within {timeout:g} s" if self.running else f"ended with status {self.status}"
        self.kill()
        raise DidNotStartError(f"{self.name} {why}; the end of {self.log}:\n{self.tail()}")

    @property
    def status(self) -> int | None:
        """Its exit status once it has ended; minus the signal's number if one ended it."""
        return None if self._popen is None else self._popen.poll()

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 15) -> None:
        """Asks it to end, and kills what has not ended after `timeout` seconds; also what it has started."""
        if self._popen is None:
            return
        family = tree.descendants(self._popen.pid) if self.running else []
        if self.running:
            self.resume()
            self._popen.send_signal(number)
            try:
                self._popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        tree.end(family)

    def kill(self) -> None:
        """SIGKILL to it and to all it has started, as when the machine fails; returns when all are gone."""
        if self._popen is None or not self.running:
            return
        self._popen.send_signal(signal.SIGSTOP)  # a stopped parent starts nobody while we count its children
        family = tree.descendants(self._popen.pid)
        self._popen.kill()
        self._popen.wait()
        tree.end(family)

    def pause(self) -> None:
        """SIGSTOP to it and to all it has started: connections stay open and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undoes pause()."""
        self._signal_all(signal.SIGCONT)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return tail(self.log, lines)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in [self.pid, *tree.descendants(self.pid)]:
            tree.send(pid, number)

    def _tether(self) -> list[str]:
        """The kernel ties a child to the *thread* that started it, and only the main one lives long."""
        tied = threading.current_thread() is threading.main_thread()
        user = ["--user", self.user] if self.user else []
        if not tied and not user:
            return []
        tie = ["--parent", str(os.getpid())] if tied else ["--signal", "CONT"]
        return [sys.executable, "-I", "-S", str(TETHER), *tie, *user, "--"]


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a file, each indented; a dash if there is none."""
    if not log.exists():
        return "    -"
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in text) or "    -"
