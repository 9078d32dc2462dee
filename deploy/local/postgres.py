"""A private PostgreSQL cluster for development and tests: own data and port, nothing left behind."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from deploy.local import apt
from deploy.local.error import DidNotStartError, LocalError, NotInstalledError
from deploy.local.port import LOOPBACK, free_port, require_free
from deploy.local.process import Process

PACKAGES = ("postgresql",)
DEBIAN = Path("/usr/lib/postgresql")
OWNER = "postgres"  # the database's superuser, whoever runs the server


def installed() -> bool:
    """True if the programs are there; says nothing about a running service."""
    return _binaries() is not None


def install() -> None:
    """Installs PostgreSQL (root, apt-get), starts no cluster. Raises NotInstalledError."""
    apt.install(PACKAGES)


class PostgresCluster:
    """One server with its own data directory and port; everybody on 127.0.0.1 is trusted.

    PostgreSQL refuses to run as root: root runs it as `postgres` or `nobody`, who must be able to reach
    `base`. pytest's directories are closed to them, so leave `base` out there: a new directory under /tmp is
    made, and remove() deletes it.
    """

    def __init__(
        self, base: Path | None = None, *, port: int | None = None, settings: dict[str, str] | None = None
    ) -> None:
        binaries = _binaries()
        if binaries is None:
            raise NotInstalledError("PostgreSQL is not installed (initdb and postgres were not found)")
        self._binaries = binaries
        self.user = _unprivileged_user() if os.geteuid() == 0 else None
        self.base = base.resolve() if base else Path(tempfile.mkdtemp(prefix="mailer-postgres-"))
        self.port = port or free_port()
        self._process = Process(
            name=f"PostgreSQL on port {self.port}",
            command=[str(binaries / "postgres"), "-D", str(self.data), *self._settings(settings or {})],
            log=self.log,
            environment=self._environment(),
            user=self.user,
            directory=Path("/"),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.base / "postgres.log"

    @property
    def pid(self) -> int:
        """Process id of the server; LookupError while it does not run."""
        return self._process.pid

    def url(self, database: str = OWNER) -> str:
        """The address in SQLAlchemy's form."""
        return f"postgresql+psycopg://{OWNER}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def start(self, *, timeout: float = 30) -> None:
        """Returns when it answers (about 1 s). Raises PortInUseError, or DidNotStartError with the log's tail."""
        if not self._process.running:
            require_free(self.port)
        self._initialise()
        self._process.start()
        self._process.wait_ready(self.answers, timeout=timeout)

    def stop(self, *, timeout: float = 15) -> None:
        """PostgreSQL's fast shutdown: sessions are cut, everything is written."""
        self._process.stop(signal.SIGINT, timeout=timeout)

    def remove(self) -> None:
        """Stops it and deletes its directory."""
        self.stop()
        shutil.rmtree(self.base)

    def kill(self) -> None:
        """SIGKILL to the server and its sessions at once; start() recovers what was committed."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP to the server and its sessions: connections stay open and nobody answers."""
        self._process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self._process.resume()

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Makes a database, empty or as a copy of `template` (to which nobody may be connected)."""
        source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + source)

    def drop_database(self, name: str) -> None:
        """Removes a database if it is there; its sessions are cut."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def answers(self) -> bool:
        """True if it takes queries now."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=LOOPBACK, port=self.port, user=OWNER, dbname=OWNER, connect_timeout=2, autocommit=True
        )

    def _execute(self, statement: sql.SQL | sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _settings(self, more: dict[str, str]) -> list[str]:
        """fsync and full_page_writes keep their defaults: what survives here survives in production."""
        chosen = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": "200",
            "logging_collector": "off",
        }
        return [part for name, value in (chosen | more).items() for part in ("-c", f"{name}={value}")]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.base),
            "TZ": "UTC",
        }

    def _initialise(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        self.base.mkdir(parents=True, exist_ok=True)
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(self.base, entry.pw_uid, entry.pw_gid)
        command = [str(self._binaries / "initdb"), "--pgdata", str(self.data), "--username", OWNER]
        done = subprocess.run(
            [*command, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
            env=self._environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **_as_user(self.user),
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise DidNotStartError(f"initdb failed{self._out_of_reach()}: {said}")

    def _out_of_reach(self) -> str:
        closed = [parent for parent in self.base.parents if not parent.stat().st_mode & 0o001]
        if self.user and closed:
            return f" as user {self.user}, who may not enter {closed[-1]} (leave `base` out)"
        return ""


def _as_user(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _unprivileged_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise LocalError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _binaries() -> Path | None:
    """The newest version below Debian's directory, else where PATH leads."""
    versions = [place.parent for place in DEBIAN.glob("*/bin/initdb")]
    if versions:
        return max(versions, key=lambda place: [int(part) for part in re.findall(r"\d+", place.parent.name)])
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None
