"""Where one `make run` lives: its directory and its ports. Two of them with others of both live side by side."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from deploy.local.error import LocalError, PortInUseError
from deploy.local.port import LOOPBACK, require_free

ROOT = Path(__file__).resolve().parent.parent

# The sandbox listens on all three: its page, SendGrid's stand-in, Mailgun's stand-in.
SANDBOX, SENDGRID, MAILGUN = LOOPBACK, "127.0.0.2", "127.0.0.3"

# A Unix socket's path has 108 bytes; what we put below MAILER_VAR needs some of them.
LONGEST_VAR = 80


_SECOND = "MAILER_VAR, PORT, FLOWER_PORT and MAILER_SANDBOX_PORT to others"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Ports and the directory below which everything is written."""

    var: Path
    bind: str
    port: int
    flower_port: int
    sandbox_port: int

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Place:
        """Reads the environment. Raises LocalError, naming the variable."""
        var = Path(environ.get("MAILER_VAR") or ROOT / "var").resolve()
        if len(os.fsencode(var)) > LONGEST_VAR:
            raise LocalError(f"MAILER_VAR is too long for a socket below it (at most {LONGEST_VAR} bytes): {var}")
        return cls(
            var=var,
            bind=environ.get("MAILER_BIND") or LOOPBACK,
            port=_port(environ, "PORT", 8000),
            flower_port=_port(environ, "FLOWER_PORT", 5555),
            sandbox_port=_port(environ, "MAILER_SANDBOX_PORT", 8025),
        )

    @property
    def logs(self) -> Path:
        """One file a program."""
        return self.var / "log"

    @property
    def api(self) -> str:
        """The API's address for somebody on this machine."""
        return f"http://{LOOPBACK}:{self.port}"

    def require_ports(self, *, sandbox: bool) -> None:
        """Raises PortInUseError for the first port that we cannot have."""
        wanted = {"PORT": self.port, "FLOWER_PORT": self.flower_port}
        if sandbox:
            wanted["MAILER_SANDBOX_PORT"] = self.sandbox_port
        if len(set(wanted.values())) < len(wanted):
            ports = ", ".join(f"{name}={port}" for name, port in wanted.items())
            raise PortInUseError(f"each needs a port of its own: {ports}")
        require_free(self.port, self.bind, variable="PORT")
        require_free(self.flower_port, variable="FLOWER_PORT")
        for host in (SANDBOX, SENDGRID, MAILGUN) if sandbox else ():
            require_free(self.sandbox_port, host, variable="MAILER_SANDBOX_PORT")

    def occupy(self) -> TextIO:
        """Makes the directories and locks them until the returned file is closed. Raises LocalError."""
        # The databases below it hold bodies and addresses: nobody else looks in.
        self.var.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        lock = (self.var / "run.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise LocalError(f"another `make run` is using {self.var}; for a second one set {_SECOND}") from None
        return lock


def _port(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise LocalError(f"{variable} is not a port: {text!r}")
    return int(text)
