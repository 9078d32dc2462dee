"""A private RabbitMQ node for development and tests: no root needed, nothing left behind."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from deploy.local import apt
from deploy.local.epmd import Epmd
from deploy.local.error import DidNotStartError, LocalError
from deploy.local.port import LOOPBACK, require_free
from deploy.local.process import Process
from deploy.local.rabbit_home import BINARIES, RabbitHome

PACKAGES = ("rabbitmq-server",)
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


def installed() -> bool:
    """True if the programs are there; says nothing about a running service."""
    return (BINARIES / "rabbitmq-server").exists()


def install() -> None:
    """Installs RabbitMQ (root, apt-get) without starting the machine's own node. Raises NotInstalledError."""
    apt.install(PACKAGES)


def speaks_amqp(port: int, host: str = LOOPBACK, *, timeout: float = 2.0) -> bool:
    """True if a broker there answers the AMQP greeting; its port alone opens too early."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


class RabbitNode:
    """One node with its own port, name, cookie, data and port mapper.

    `RabbitNode(tmp_path).start()` is enough. For a cluster: one `Epmd`, and homes that share `cookie` and
    `epmd_port` and list each other in `peers`; start them side by side.
    """

    def __init__(
        self,
        base: Path,
        *,
        home: RabbitHome | None = None,
        epmd: Epmd | None = None,
        plugins: Sequence[str] = (),
    ) -> None:
        self.home = home or RabbitHome(base=base.resolve(), plugins=plugins)
        self._owns_epmd = epmd is None
        self._epmd = epmd or Epmd(port=self.home.epmd_port, log=self.home.base / "epmd.log")
        self._process = Process(
            name=f"RabbitMQ node {self.home.name}",
            command=self.home.command,
            log=self.home.log,
            environment=self.home.environment(),
            directory=self.home.base,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """The Erlang node name."""
        return self.home.name

    @property
    def port(self) -> int:
        """The AMQP port on 127.0.0.1."""
        return self.home.port

    @property
    def log(self) -> Path:
        """The node's log file."""
        return self.home.log

    @property
    def pid(self) -> int:
        """Process id of the Erlang machine; LookupError while it does not run."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the Erlang machine lives (paused counts)."""
        return self._process.running

    @property
    def epmd_pid(self) -> int:
        """Process id of its port mapper; LookupError while it does not run."""
        return self._epmd.process.pid

    def url(self, vhost: str = "/") -> str:
        """The AMQP address of `vhost`, as CELERY_BROKER_URL takes it."""
        return self.home.url(vhost)

    def start(self, *, timeout: float = 60) -> None:
        """Returns when AMQP answers (2-5 s). Raises PortInUseError, or DidNotStartError with the tail of the log."""
        if not self._process.running:
            require_free(self.home.port)
            require_free(self.home.dist_port)
            self.home.write()
        self._epmd.start()
        self._process.start()
        try:
            self._process.wait_ready(lambda: speaks_amqp(self.port), timeout=timeout)
        except DidNotStartError:
            self.stop()
            raise

    def stop(self, *, timeout: float = 20) -> None:
        """Ends the node (1-2 s) and its port mapper."""
        self._process.stop(timeout=timeout)
        if self._owns_epmd:
            self._epmd.stop()

    def kill(self) -> None:
        """SIGKILL to the Erlang machine; start() brings it back with what it had stored."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        self._process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self._process.resume()

    def ctl(self, *arguments: str, timeout: float = 60) -> str:
        """Output of `rabbitmqctl` on this node (about a second each). Raises LocalError with what it said."""
        done = subprocess.run(
            [str(BINARIES / "rabbitmqctl"), "--quiet", "--node", self.name, *arguments],
            env=self.home.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise LocalError(f"rabbitmqctl {arguments[0]} failed on {self.name}: {said}")
        return done.stdout

    def add_vhost(self, *names: str) -> None:
        """Makes virtual hosts in which the node's user may do everything."""
        user = _binary(self.home.user)
        # One evaluation instead of two commands a name: rabbitmqctl's own start is what takes the time.
        self.ctl("eval", " ".join(f"{_add(_binary(name), user)}" for name in names) + " ok.")

    def delete_vhost(self, *names: str) -> None:
        """Removes virtual hosts with all that is in them, and closes their connections."""
        self.ctl("eval", " ".join(f"{_delete(_binary(name))}" for name in names) + " ok.")


def _add(vhost: str, user: str) -> str:
    every = '<<".*">>'
    return (
        f'ok = rabbit_vhost:add({vhost}, <<"deploy">>), '
        f"ok = rabbit_auth_backend_internal:set_permissions({user}, {vhost}, {every}, {every}, {every}, "
        f'<<"deploy">>),'
    )


def _delete(vhost: str) -> str:
    return f'rabbit_vhost:delete({vhost}, <<"deploy">>),'


def _binary(text: str) -> str:
    """An Erlang binary; names with quotes or backslashes are refused rather than escaped."""
    if not text or any(character in text for character in '"\\~\n'):
        raise ValueError(f"not a name for RabbitMQ: {text!r}")
    return f'<<"{text}"/utf8>>'
