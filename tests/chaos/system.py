"""A whole installation of our own for one run: every process can be killed, paused and cut off from the others."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from deploy.local import port
from deploy.local.cluster import RabbitCluster
from deploy.local.port import wait_until
from deploy.local.postgres import PostgresCluster
from deploy.local.process import Process
from deploy.local.proxy import Proxy
from deploy.local.rabbitmq import RabbitNode
from mailer.settings import Settings
from sandbox import webhook_key
from sandbox.process import Process as Sandbox
from tests.integration.nodes import ROOT, program

API_KEY = "chaos-key"
PROVIDER_KEYS = {
    "SENDGRID_API_KEY": "SG.chaos-test-key",
    "MAILGUN_API_KEY": "key-chaos-test",
    "MAILGUN_DOMAIN": "sandbox.example",
}
# Short times, so that a run is over before its reader. A lease is 4 + 15 seconds, the doubt after it 10.
TIMES = {
    "MAILER_CONNECT_TIMEOUT": "1",
    "MAILER_READ_TIMEOUT": "2",
    "MAILER_CALL_TIMEOUT": "4",
    "MAILER_RETRY_BASE": "1",
    "MAILER_BREAKER_SECONDS": "2",
    "MAILER_SWEEP_INTERVAL": "1",
    "MAILER_SWEEP_GRACE": "3",
    "MAILER_WAIT_SECONDS": "15",
    "MAILER_SHUTDOWN_SECONDS": "8",
    "WEB_CONCURRENCY": "1",
}
_WORKER = ["-m", "celery", "-q", "-A", "tasks", "worker"]
_QUEUES = "mail.transactional,mail.bulk,mail.sweep"
_WORKER_OPTIONS = ["--without-mingle", "--without-gossip"]
# Here a sync takes nothing; on a busy disk commits take a while, so a fault finds some of them half-way.
_SLOW_DISK = {"commit_delay": "50000", "commit_siblings": "0"}
# How long a real provider takes; without it nothing would be in flight when something dies.
_LATENCY_MS = 60


class System:
    """Broker, database, sandbox, API, two workers and beat.

    Workers reach broker, database and providers through proxies of their own, so that each line can be cut alone.

    Args:
        database: `postgresql` or `sqlite`.
        environment: settings that differ from those of other runs.
        var: the directory of MAILER_VAR; None: a new one.
        slow_disk: whether PostgreSQL's commits take a while.
        webhooks: whether the sandbox sends them; a third worker reads them then.
        clustered: the broker is a cluster of three nodes, which everybody reaches without a proxy.
    """

    def __init__(
        self,
        *,
        database: str = "postgresql",
        environment: Mapping[str, str] | None = None,
        var: Path | None = None,
        clustered: bool = False,
        slow_disk: bool = True,
        webhooks: bool = False,
    ) -> None:
        self._stack = ExitStack()
        self.base = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mailer-chaos-")))
        self.var = var or self.base / "var"
        self.cluster = RabbitCluster(self.base / "rabbit") if clustered else None
        self.rabbit = self.cluster.nodes[0] if self.cluster else RabbitNode(self.base / "rabbit")
        self.postgres = (
            PostgresCluster(settings=_SLOW_DISK if slow_disk else None) if database == "postgresql" else None
        )
        self._environment = {**TIMES, **PROVIDER_KEYS, "MAILER_API_KEY": API_KEY, **(environment or {})}
        self._webhooks = webhooks
        self.api_port = port.free_port()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def settings(self) -> Settings:
        """The settings of whoever publishes from outside."""
        return Settings.load(self.environment)

    @property
    def broker_url(self) -> str:
        """The broker's address, or addresses."""
        return self.cluster.broker_url if self.cluster else self.rabbit.url()

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def sandbox_file(self) -> Path:
        """Where the sandbox keeps what the providers took in; read directly, it has thousands of mails."""
        [path] = (self.base / "sandbox").rglob("sandbox.db")
        return path

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m mailer`."""
        return subprocess.run(
            [sys.executable, "-m", "mailer", *arguments],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def worker(self, name: str, *options: str, queues: str = _QUEUES, **more: str) -> Process:
        """Return a worker, not started yet; `more` are settings of its own."""
        command = [*_WORKER, "-Q", queues, "--hostname", f"{name}@localhost", *_WORKER_OPTIONS, *options]
        environment = {**self.worker_environment, "REMAP_SIGTERM": "SIGQUIT", **more}
        return program(name, command, environment=environment, logs=self.base)

    def start(self, process: Process) -> None:
        """Start one of our processes and wait until it is ready."""
        # The log holds earlier lives too; one that is running already has written its line since it was started.
        begun = process.log.stat().st_size if process.log.exists() and not process.running else 0
        process.start()
        if process is self.web:
            process.wait_ready(lambda: port.answers(self.api_port), timeout=60)
        elif process is not self.beat:
            process.wait_ready(lambda: "ready." in process.log.read_text(errors="replace")[begun:], timeout=60)

    def _start(self) -> None:
        enter = self._stack.enter_context
        enter(self.cluster or self.rabbit)
        database_url = f"sqlite:///{self.var}/mailer.db"
        if self.postgres:
            self._stack.callback(self.postgres.remove)
            self.postgres.start()
            self.postgres.create_database("mailer")
            database_url = self.postgres.url("mailer")
        telling = {"MAILER_SANDBOX_WEBHOOKS": self.url} if self._webhooks else {}
        self.sandbox = enter(Sandbox(self.base / "sandbox", environment={**PROVIDER_KEYS, **telling}))
        for provider in ("sendgrid", "mailgun"):
            self.sandbox.fail(provider, mode="latency", latency_ms=_LATENCY_MS)
        self.environment = {
            **self._environment, "CELERY_BROKER_URL": self.broker_url, "DATABASE_URL": database_url,
            "MAILER_VAR": str(self.var), "MAILER_SENDGRID_URL": self.sandbox.sendgrid,
            "MAILER_MAILGUN_URL": self.sandbox.mailgun, "PORT": str(self.api_port), "MAILER_BIND": "127.0.0.1",
            **self._webhook_keys(),
        }  # fmt: skip
        self._put_proxies_between()
        for command in ("migrate", "topology"):
            done = self.cli(command)
            assert done.returncode == 0, done.stderr
        # A quorum queue that is a second old may lose what it confirmed when its node is killed (celery.md, trap 13).
        wait_until(lambda: False, timeout=1.5)
        self._start_programs()

    def _webhook_keys(self) -> dict[str, str]:
        kept = self.sandbox_file.parent
        return {
            "SENDGRID_WEBHOOK_KEY": webhook_key.sendgrid_public(kept), "MAILGUN_WEBHOOK_KEY": webhook_key.mailgun(kept)
        } if self._webhooks else {}  # fmt: skip

    def _put_proxies_between(self) -> None:
        enter = self._stack.enter_context
        self.to_broker = enter(Proxy(self.rabbit.port))
        self.to_database = enter(Proxy(self.postgres.port)) if self.postgres else None
        self.to_sendgrid = enter(Proxy(self.sandbox.port, "127.0.0.2"))
        self.to_mailgun = enter(Proxy(self.sandbox.port, "127.0.0.3"))
        self.worker_environment = {
            **self.environment,
            "CELERY_BROKER_URL": self._through_a_proxy(self.broker_url),
            "MAILER_SENDGRID_URL": f"http://127.0.0.1:{self.to_sendgrid.port}",
            "MAILER_MAILGUN_URL": f"http://127.0.0.1:{self.to_mailgun.port}",
        }
        if self.postgres and self.to_database:
            url = self.environment["DATABASE_URL"]
            through = url.replace(f":{self.postgres.port}/", f":{self.to_database.port}/")
            self.worker_environment["DATABASE_URL"] = through

    def _through_a_proxy(self, broker_url: str) -> str:
        return broker_url if self.cluster else broker_url.replace(f":{self.rabbit.port}/", f":{self.to_broker.port}/")

    def _start_programs(self) -> None:
        web = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "api:create_app()"]
        beat = ["-m", "celery", "-q", "-A", "tasks", "beat", "--schedule", str(self.base / f"beat-{uuid.uuid4().hex}")]
        self.web = program("web", web, environment=self.environment, logs=self.base)
        self.beat = program("beat", beat, environment=self.environment, logs=self.base)
        self.workers = [self.worker("one"), self.worker("two")]
        if self._webhooks:
            self.workers.append(self.worker("three", queues="mail.events,mail.callbacks"))
        for process in (self.web, self.beat, *self.workers):
            self._stack.callback(process.stop)
        for process in (*self.workers, self.web, self.beat):
            process.start()
        for process in (*self.workers, self.web):
            self.start(process)
