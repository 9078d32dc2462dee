"""Mails per second from `.delay()` to the provider, beside a plain Celery task on the same broker and sandbox.

Also how long a request for a new message takes, beside one that does nothing. One worker process each; PostgreSQL.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from deploy.local import port
from deploy.local.port import wait_until
from deploy.local.postgres import PostgresCluster
from deploy.local.process import Process
from deploy.local.rabbitmq import RabbitNode
from sandbox.process import Process as Sandbox

ROOT = Path(__file__).parents[1]
MAILS = 1000
REQUESTS = 500


@contextmanager
def program(name: str, *command: str, environment: dict[str, str], folder: Path) -> Iterator[Process]:
    """Run one of our programs for a while."""
    process = Process(
        name=name,
        command=[sys.executable, *command],
        log=folder / f"{name}.log",
        environment=environment,
        directory=ROOT,
    )
    process.start()
    try:
        yield process
    finally:
        process.stop()


def worker(name: str, app: str, queues: str, environment: dict[str, str], folder: Path) -> ExitStack:
    """Run a worker that is ready."""
    stack = ExitStack()
    command = [
        "-m",
        "celery",
        "-A",
        app,
        "worker",
        "-Q",
        queues,
        "-n",
        name,
        "-l",
        "INFO",
        "--without-mingle",
        "--without-gossip",
    ]
    process = stack.enter_context(program(name, *command, environment=environment, folder=folder))
    process.wait_ready(lambda: "ready." in process.log.read_text(), timeout=30)
    return stack


def rate(sandbox: Sandbox, publish: Callable[[], None]) -> float:
    """Return mails per second from the first publish to the last mail at the provider."""
    sandbox.clear()
    begun = time.perf_counter()
    publish()
    assert wait_until(lambda: sandbox.count() >= MAILS, timeout=180, interval=0.02), f"{sandbox.count()} of {MAILS}"
    return MAILS / (time.perf_counter() - begun)


def run_here(code: str, environment: dict[str, str]) -> None:
    """Run a publisher as a process of its own."""
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)


OURS = f"""
from mailer import send_email
for i in range({MAILS}):
    send_email.delay(from_="a@example.com", to=f"u{{i}}@example.com", subject="bench", text="x" * 500)
"""
PLAIN = f"""
from bench.plain import send_plain
for i in range({MAILS}):
    send_plain.delay(f"u{{i}}@example.com")
"""


def latencies(call: Callable[[requests.Session], requests.Response]) -> tuple[float, float]:
    """Return the median and the 99th percentile of a request, milliseconds."""
    taken = []
    with requests.Session() as session:
        for _ in range(REQUESTS):
            begun = time.perf_counter()
            call(session).raise_for_status()
            taken.append((time.perf_counter() - begun) * 1000)
    cuts = statistics.quantiles(taken, n=100)
    return cuts[49], cuts[98]


def main() -> None:
    """Print the tables."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        node = stack.enter_context(RabbitNode(folder / "rabbit"))
        cluster = PostgresCluster()
        stack.callback(cluster.remove)
        cluster.start()
        cluster.create_database("bench")
        sandbox = stack.enter_context(Sandbox(folder / "sandbox", environment={"SENDGRID_API_KEY": "SG.bench-key"}))
        number = port.free_port()
        environment = {
            **os.environ, "CELERY_BROKER_URL": node.url(), "DATABASE_URL": cluster.url("bench"),
            "SENDGRID_API_KEY": "SG.bench-key", "MAILER_SENDGRID_URL": sandbox.sendgrid, "MAILER_API_KEY": "bench",
            "MAILER_CONCURRENCY": "16", "MAILER_VAR": str(folder), "PORT": str(number), "MAILER_BIND": "127.0.0.1",
        }  # fmt: skip
        for command in ("migrate", "topology"):
            subprocess.run([sys.executable, "-m", "mailer", command], env=environment, cwd=ROOT, check=True, stdout=-3)
        with worker("plain", "bench.plain", "plain", environment, folder):
            plain = rate(sandbox, lambda: run_here(PLAIN, environment))
        with worker("ours", "tasks", "mail.transactional", environment, folder):
            ours = rate(sandbox, lambda: run_here(OURS, environment))
        print(f"\n{MAILS} mails, one worker          mails/s   ratio")
        print(f"{'a plain Celery task':32} {plain:6.0f}   1.00")
        print(f"{'send_email':32} {ours:6.0f} {ours / plain:6.2f}")

        web = stack.enter_context(
            program("web", "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "api:create_app()",
                    environment=environment, folder=folder)
        )  # fmt: skip
        web.wait_ready(lambda: port.answers(number), timeout=30)
        url, key = f"http://127.0.0.1:{number}", {"Authorization": "Bearer bench"}
        body = {"from": "a@example.com", "to": "b@example.com", "subject": "bench", "text": "x" * 500}
        nothing = latencies(lambda s: s.get(f"{url}/healthz"))
        message = latencies(lambda s: s.post(f"{url}/v1/messages", json=body, headers=key))
        print(f"\n{REQUESTS} requests, one after another    p50 ms   p99 ms")
        print(f"{'GET /healthz':32} {nothing[0]:6.1f} {nothing[1]:8.1f}")
        print(f"{'POST /v1/messages':32} {message[0]:6.1f} {message[1]:8.1f}")


if __name__ == "__main__":
    main()
