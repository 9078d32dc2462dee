"""The directory of one private RabbitMQ node: its files, environment, addresses. Starts nothing itself.

Everything RabbitMQ would look for elsewhere (/etc/rabbitmq, $HOME, the machine's epmd) is pointed below this
directory, and the environment is built from nothing: a RABBITMQ_* variable of the machine's own node must not
reach ours.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from deploy.local.port import LOOPBACK, free_port, is_free

BINARIES = Path("/usr/lib/rabbitmq/bin")

# One scheduler and no busy waiting: a node at rest costs nothing. +B i: Ctrl-C is not for the broker.
# -start_epmd false: it would leave a daemon behind; ours is a process like any other (epmd.py).
SERVER_ARGUMENTS = "+S 1:1 +sbwt none +B i -kernel inet_dist_use_interface {127,0,0,1}"
CTL_ARGUMENTS = "-kernel inet_dist_use_interface {127,0,0,1}"
NO_DAEMON = "-start_epmd false"


@dataclass(frozen=True, kw_only=True)
class RabbitHome:
    """Where one node lives and how it is called. A cluster's nodes share `cookie` and `epmd_port`."""

    base: Path
    name: str = field(default_factory=lambda: f"mailer-{secrets.token_hex(4)}@localhost")
    port: int = field(default_factory=free_port)
    dist_port: int = field(default_factory=free_port)
    epmd_port: int = field(default_factory=free_port)
    cookie: str = field(default_factory=lambda: secrets.token_hex(16))
    user: str = "guest"
    password: str = "guest"  # noqa: S105 - RabbitMQ's own default; `make run` passes a random one
    plugins: Sequence[str] = ()
    peers: Sequence[str] = ()

    @classmethod
    def keep(cls, base: Path, *, user: str) -> Self:
        """The home that was kept in `base`, or a new one with a random password; ports that are taken are moved."""
        kept = base / "home.json"
        if kept.exists():
            home = cls(base=base, **json.loads(kept.read_text(encoding="utf-8")))
        else:
            home = cls(base=base, user=user, password=secrets.token_urlsafe(24))
        taken = [name for name in ("port", "dist_port", "epmd_port") if not is_free(getattr(home, name))]
        moved: dict[str, Any] = {name: free_port() for name in taken}
        home = replace(home, **moved)
        base.mkdir(parents=True, exist_ok=True)
        values = {name: value for name, value in asdict(home).items() if name != "base"}
        _write(kept, json.dumps(values, indent=1), mode=0o600)
        return home

    @property
    def log(self) -> Path:
        """The node's log: RabbitMQ writes it to its standard output, whoever starts it sends that here."""
        return self.base / "rabbitmq.log"

    @property
    def command(self) -> list[str]:
        """The server in the foreground. (Debian's wrapper in /usr/sbin insists on root or rabbitmq.)"""
        return [str(BINARIES / "rabbitmq-server")]

    def url(self, vhost: str = "/") -> str:
        """The AMQP address of `vhost`; carries the password."""
        login = f"{self.user}:{quote(self.password, safe='')}"
        return f"amqp://{login}@{LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    def environment(self) -> dict[str, str]:
        """The whole environment of the server and of rabbitmqctl."""
        base = self.base
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(base),
            "TMPDIR": str(base / "tmp"),
            # Then the script execs the Erlang machine instead of watching it: one process, ours to signal.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_ZFLAGS": NO_DAEMON,
            "ERL_CRASH_DUMP": str(base / "erl_crash.dump"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(base / "data"),
            "RABBITMQ_LOG_BASE": str(base / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(base / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(base / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(base / "rabbitmq-env.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(base / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(base / "rabbitmq.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": SERVER_ARGUMENTS,
            "RABBITMQ_CTL_ERL_ARGS": CTL_ARGUMENTS,
        }

    def write(self) -> None:
        """Makes the directories and files; what the node has stored stays."""
        self.base.mkdir(parents=True, exist_ok=True)
        self.base.chmod(0o700)
        for name in ("data", "log", "conf.d", "generated", "tmp"):
            (self.base / name).mkdir(exist_ok=True)
        _write(self.base / ".erlang.cookie", self.cookie, mode=0o400)
        _write(self.base / "rabbitmq.conf", self._configuration(), mode=0o600)
        _write(self.base / "advanced.config", "[].\n")
        _write(self.base / "rabbitmq-env.conf", "")
        _write(self.base / "enabled_plugins", f"[{','.join(self.plugins)}].\n")

    def _configuration(self) -> str:
        lines = [
            f"listeners.tcp.local = {LOOPBACK}:{self.port}",
            f"default_user = {self.user}",
            f"default_pass = {self.password}",
            "disk_free_limit.absolute = 50MB",
            "log.console.level = info",
        ]
        if self.peers:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines += [
                f"cluster_formation.classic_config.nodes.{number} = {peer}"
                for number, peer in enumerate(self.peers, start=1)
            ]
        return "\n".join(lines) + "\n"


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replaces a file, closed from its first moment (a cookie is 0400 and could not be rewritten)."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
