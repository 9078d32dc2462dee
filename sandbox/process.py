"""A sandbox in a process of its own, for whoever needs one for a while: tests, the benchmark, the drill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests

from sandbox.setting import MAILGUN_HOST, PAGE_HOST, SENDGRID_HOST

_PORTS = range(18100, 18900)  # below the ports that the system lends to outgoing connections
_TIMEOUT = 30


class StartError(RuntimeError):
    """The sandbox did not come up; the text is what it said."""


class Process:
    """One `python -m sandbox` and its control API.

    Args:
        directory: becomes its MAILER_VAR; another process with the same one finds the same mails and switches.
        port: None takes a free one.
        environment: further variables, e.g. MAILGUN_DOMAIN.
    """

    def __init__(self, directory: Path, *, port: int | None = None, environment: dict[str, str] | None = None) -> None:
        self._directory = directory
        self._environment = {**(environment or {}), "MAILER_VAR": str(directory)}
        candidates = [port] if port else _shuffled(os.getpid())
        for candidate in candidates:
            try:
                self._child = self._spawn(candidate)
            except StartError:
                if candidate == candidates[-1]:
                    raise
            else:
                self.port = candidate
                break
        self.url = f"http://{PAGE_HOST}:{self.port}"
        self.sendgrid = f"http://{SENDGRID_HOST}:{self.port}"
        self.mailgun = f"http://{MAILGUN_HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def mails(self, **filters: object) -> list[dict[str, Any]]:
        """Return the mails, newest first; the filters are those of `GET /api/mails`."""
        mails: list[dict[str, Any]] = self._call("GET", "/api/mails", params=filters)["mails"]
        return mails

    def count(self, **filters: object) -> int:
        """Return how many mails there are."""
        total: int = self._call("GET", "/api/count", params=filters)["total"]
        return total

    def faults(self) -> dict[str, dict[str, Any] | None]:
        """Return what is switched on."""
        faults: dict[str, dict[str, Any] | None] = self._call("GET", "/api/faults")
        return faults

    def fail(self, provider: str, **fault: object) -> None:
        """Switch a fault on, e.g. `fail("sendgrid", status=429, retry_after=30)`."""
        self._call("PUT", f"/api/faults/{provider}", json=fault)

    def mend(self, provider: str | None = None) -> None:
        """Switch the fault of one provider off, or all."""
        self._call("DELETE", f"/api/faults/{provider}" if provider else "/api/faults")

    def webhooks(self) -> dict[str, Any] | None:
        """Return the webhooks' switch and counts; None where none are sent."""
        state: dict[str, Any] | None = self._call("GET", "/api/webhooks")
        return state

    def disturb(self, **flow: bool) -> None:
        """Move the webhooks' switch, e.g. `disturb(hold=True)`; without anything they go as they should."""
        self._call("PUT", "/api/webhooks", json=flow)

    def clear(self) -> None:
        """Delete every mail."""
        self._call("DELETE", "/api/mails")

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        self._child.send_signal(sign)

    def kill(self) -> None:
        """Kill -9."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and return its exit code; returns at once if it has ended."""
        self._child.terminate()
        return self._child.wait(_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = requests.request(method, self.url + path, timeout=_TIMEOUT, **options)
        if not response.ok:
            raise ValueError(f"{method} {path}: {response.text}")
        return response.json() if response.content else None

    def _spawn(self, port: int) -> subprocess.Popen[str]:
        environment = {**os.environ, **self._environment, "MAILER_SANDBOX_PORT": str(port)}
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "sandbox.log").open("a") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "sandbox"],
                env=environment,
                cwd=Path(__file__).parents[1],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        with child.stdout as lines:
            # It speaks once all its listeners are open; the end comes first when they cannot be.
            ready = [line for _, line in zip(range(3), lines, strict=False)]
        if len(ready) < 3:
            child.wait()
            raise StartError((self._directory / "sandbox.log").read_text())
        return child


def _shuffled(seed: int) -> list[int]:
    """Return the ports, each process beginning elsewhere, so that parallel runs seldom collide."""
    start = seed * 37 % len(_PORTS)
    return [*_PORTS[start:], *_PORTS[:start]]
