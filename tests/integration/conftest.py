"""The whole system on this machine: a private RabbitMQ, workers as processes, the sandbox, the API."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_celery import CeleryTestBroker, CeleryTestWorker

from deploy.local import port
from deploy.local.process import Process
from deploy.local.rabbitmq import RabbitNode
from mailer import Mailer
from mailer.client.task import SendEmail, publisher
from mailer.client.topology import declare
from mailer.settings import Settings
from sandbox.process import Process as Sandbox
from tests.integration.nodes import ProcessContainer, program, worker

API_KEY = "integration-key"
PROVIDER_KEYS = {
    "SENDGRID_API_KEY": "SG.integration-test-key",
    "MAILGUN_API_KEY": "key-integration-test",
    "MAILGUN_DOMAIN": "sandbox.example",
}
QUEUES = "mail.transactional,mail.bulk,mail.sweep,mail.events,mail.callbacks"


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """Give a private RabbitMQ node of this session."""
    with RabbitNode(tmp_path_factory.mktemp("rabbit")) as node:
        yield node


@pytest.fixture
def broker_url(rabbit: RabbitNode) -> Iterator[str]:
    """Give a fresh virtual host."""
    name = f"test-{uuid.uuid4().hex}"
    rabbit.add_vhost(name)
    yield rabbit.url(name)
    rabbit.delete_vhost(name)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give the sandbox of this session."""
    with Sandbox(tmp_path_factory.mktemp("sandbox"), environment=PROVIDER_KEYS) as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """Give the sandbox, empty and with every fault off."""
    sandbox_process.mend()
    sandbox_process.clear()
    return sandbox_process


def copies(sandbox: Sandbox, id: str) -> list[str]:
    """Return who took this envelope in, oldest first."""
    return [mail["provider"] for mail in reversed(sandbox.mails(envelope_id=id))]


@pytest.fixture
def environment(broker_url: str, database_url: str, sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """Give the environment that every process of the system shares, with short times; a test may change it."""
    return {
        "CELERY_BROKER_URL": broker_url,
        "DATABASE_URL": database_url,
        "MAILER_VAR": str(tmp_path),
        "MAILER_API_KEY": API_KEY,
        "MAILER_CONNECT_TIMEOUT": "1",
        "MAILER_READ_TIMEOUT": "1",
        "MAILER_RETRY_BASE": "1",
        "MAILER_BREAKER_SECONDS": "3",
        "MAILER_SWEEP_INTERVAL": "1",
        "MAILER_SWEEP_GRACE": "2",
        "MAILER_CALLBACK_LOCALHOST": "1",
        "MAILER_SENDGRID_URL": sandbox.sendgrid,
        "MAILER_MAILGUN_URL": sandbox.mailgun,
        **PROVIDER_KEYS,
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """Give the settings of that environment, with the broker's topology declared."""
    settings = Settings.load(environment)
    declare(settings)
    return settings


@pytest.fixture
def send_email(settings: Settings) -> SendEmail:
    """Give what an application has after `from mailer import send_email`, pointed at this system."""
    return publisher(settings)


@pytest.fixture
def spawn(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Give a way to start programs of ours, which are stopped at the end."""
    started: list[Process] = []

    def start(name: str, *command: str) -> Process:
        process = program(name, command, environment=environment, logs=tmp_path)
        process.start()
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.stop()


@pytest.fixture
def api_port() -> int:
    """Give the port that the API will listen on, for whoever must know it before."""
    return port.free_port()


@pytest.fixture
def api_url(settings: Settings, environment: dict[str, str], spawn: Callable[..., Process], api_port: int) -> str:
    """Give the address of a running API."""
    environment |= {"PORT": str(api_port), "MAILER_BIND": "127.0.0.1", "WEB_CONCURRENCY": "1"}
    process = spawn("web", "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "api:create_app()")
    process.wait_ready(lambda: port.answers(api_port), timeout=30)
    return f"http://127.0.0.1:{api_port}"


@pytest.fixture
def api(api_url: str) -> Mailer:
    """Give a client of a running API."""
    return Mailer(api_url, API_KEY)


@pytest.fixture
def beat(settings: Settings, spawn: Callable[..., Process], tmp_path: Path) -> Process:
    """Give a running beat."""
    return spawn("beat", "-m", "celery", "-q", "-A", "tasks", "beat", "--schedule", str(tmp_path / "schedule"))


# pytest-celery's own fixtures, with processes behind them.


@pytest.fixture
def celery_broker(rabbit: RabbitNode, broker_url: str) -> CeleryTestBroker:
    """Give the broker as pytest-celery's node; the process belongs to the session, the vhost to the test."""
    process = Process(name=rabbit.name, command=[], log=rabbit.log, environment={})
    return CeleryTestBroker(
        ProcessContainer(process, ready_prompt="", config={"url": broker_url, "host_url": broker_url})
    )


@pytest.fixture
def celery_backend_cluster() -> None:
    """Give no result backend: the store knows the results."""
    return


@pytest.fixture
def celery_setup_config(celery_worker_cluster_config: dict[str, Any]) -> dict[str, Any]:
    """Give the configuration of the test's own Celery app."""
    return {"broker_url": celery_worker_cluster_config["celery_broker_cluster_config"]["host_urls"][0]}


@pytest.fixture
def celery_worker(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[CeleryTestWorker]:
    """Give a running worker of ours as pytest-celery's node."""
    container = worker("worker", environment=environment, logs=tmp_path, queues=QUEUES)
    container.start()
    container.ready()
    yield CeleryTestWorker(container, app=None)
    container.teardown()


def python(code: str, *, environment: dict[str, str]) -> str:
    """Run a line of Python as another application would, and return what it prints."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def json_of(url: str, **options: Any) -> Any:
    """GET something as JSON."""
    return requests.get(url, timeout=10, **options).json()
