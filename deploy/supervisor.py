"""supervisord, which starts again whatever dies: its configuration, its process, its answers.

It runs below us and its programs below it, each tied to its parent's life (deploy/local/tether.py).
"""

from __future__ import annotations

import http.client
import os
import shlex
import shutil
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from honcho.environ import ProcessParams
from honcho.export.supervisord import Export

from deploy.local import process
from deploy.local.error import DidNotStartError
from deploy.local.port import wait_until
from deploy.place import ROOT, Place
from deploy.program import Program

TEMPLATES = Path(__file__).with_name("templates")
TETHER = [sys.executable, "-I", "-S", str(process.TETHER)]

# The broker and the sandbox start at once and stop last; the service starts when we say so.
BASE, SERVICE = "base", "service"


class Supervisor:
    """One supervisord over the programs of one place."""

    def __init__(
        self,
        place: Place,
        *,
        base: Sequence[Program],
        service: Sequence[Program],
        environment: Mapping[str, str],
    ) -> None:
        self._place = place
        self._groups = {BASE: list(base), SERVICE: list(service)}
        self._environment = dict(environment)
        self._state = place.var / "supervisor"
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, None while it does not live."""
        return None if self._popen is None or self._popen.poll() is not None else self._popen.pid

    def start(self) -> None:
        """Starts it and the base programs; returns when it answers. Raises DidNotStartError."""
        self._prepare()
        output = self._place.logs / "supervisord.out"
        with output.open("wb") as log:
            self._popen = subprocess.Popen(
                [
                    *[*TETHER, "--signal", "TERM", "--parent", str(os.getpid()), "--"],
                    *[sys.executable, "-W", "ignore", "-m", "supervisor.supervisord"],
                    *["--nodaemon", "--configuration", str(self._configuration)],
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self._environment,
                start_new_session=True,
            )
        wait_until(lambda: self.pid is None or self._answers(), timeout=15)
        if self.pid is None or not self._answers():
            raise DidNotStartError(f"supervisord did not start:\n{process.tail(output)}")

    def start_program(self, name: str) -> None:
        """Starts one of the Procfile's programs; returns at once."""
        self._call("startProcess", f"{SERVICE}:{name}", False)

    def start_service(self) -> None:
        """Starts the Procfile's programs that do not run yet; returns at once."""
        self._call("startProcessGroup", SERVICE, False)

    def program_pid(self, name: str) -> int:
        """Process id of a base program, 0 while it does not run."""
        info: dict[str, Any] = self._call("getProcessInfo", f"{BASE}:{name}")
        return int(info["pid"])

    def terminate(self) -> None:
        """Asks it to stop all programs and itself: the service first, then the base; returns at once."""
        if self._popen is not None and self.pid is not None:
            self._popen.terminate()

    def _prepare(self) -> None:
        self._state.mkdir(exist_ok=True)
        self._state.chmod(0o700)
        for name in ("supervisord.pid", "control.sock"):
            (self._state / name).unlink(missing_ok=True)
        self._configuration.write_text(self._render(), encoding="utf-8")

    @property
    def _configuration(self) -> Path:
        return self._state / "supervisord.conf"

    def _render(self) -> str:
        """honcho's export with our template: its own knows neither restarts, groups nor rotation."""
        params = [_params(program, group) for group, members in self._groups.items() for program in members]
        context = {
            "app": "supervisord",
            "app_root": str(ROOT),
            "log": str(self._place.logs),
            "state": str(self._state),
            "user": "root" if os.geteuid() == 0 else "",
            "groups": {group: [member.name for member in members] for group, members in self._groups.items()},
        }
        (file,) = Export(template_dir=str(TEMPLATES)).render(params, context)
        return str(file.content)

    def _answers(self) -> bool:
        try:
            self._call("getState")
        except OSError:
            return False
        return True

    def _call(self, method: str, *arguments: str | bool) -> Any:
        transport = _UnixTransport(self._state / "control.sock")
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


def _params(program: Program, group: str) -> ProcessParams:
    wait = ["--wait-for", program.wait_for] if program.wait_for else []
    shell = shutil.which("sh") or "/bin/sh"
    return ProcessParams(
        name=program.name,
        cmd=shlex.join([*TETHER, *wait, "--", shell, "-c", program.shell]),
        quiet=False,
        env={
            "autostart": str(group == BASE).lower(),
            "stop_seconds": program.stop_seconds,
            "directory": program.directory or str(ROOT),
        },
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC to supervisord's control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002 - the socket says where
        return _UnixConnection(self._path)
