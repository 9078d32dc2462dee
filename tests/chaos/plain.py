"""The contrast: the same kill -9 of a worker, done to a plain Celery task that posts to SendGrid (bench/plain.py)."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from deploy.local.port import wait_until
from deploy.local.process import Process
from tests.chaos.system import System
from tests.chaos.verdict import Verdict
from tests.integration.nodes import ROOT, program

_PUBLISH = """
import sys, time
from bench.plain import send_plain
mails, rate, seed = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
begun = time.monotonic()
for number in range(mails):
    time.sleep(max(begun + number / rate - time.monotonic(), 0))
    send_plain.delay(f"m{number}-{seed}@example.com")
"""


def run(*, mails: int, seed: int, rate: float, acks: str) -> Verdict:
    """Kill one of two workers in the middle, start it again, and count.

    Args:
        acks: `early`, as Celery comes, or `late`, as those set it who have lost mail once.
    """
    with System() as system:
        return _strike(system, mails=mails, seed=seed, rate=rate, acks=acks)


def _strike(system: System, *, mails: int, seed: int, rate: float, acks: str) -> Verdict:
    rng = random.Random(f"plain-{seed}")
    environment = {**os.environ, **system.environment, "MAILER_CONCURRENCY": "16", "PLAIN_ACKS": acks}
    workers = [_worker(system, environment, name) for name in ("plain1", "plain2")]
    try:
        publisher = subprocess.Popen(
            [sys.executable, "-c", _PUBLISH, str(mails), str(rate), str(seed)], env=environment, cwd=ROOT
        )
        time.sleep(mails / rate * rng.uniform(0.25, 0.5))
        victim = rng.choice(workers)
        victim.kill()
        time.sleep(rng.uniform(0.5, 1.5))
        victim.start()
        ended = datetime.now(UTC)
        assert publisher.wait(mails / rate + 120) == 0
        wait_until(lambda: len(_received(system)) >= mails, timeout=40, interval=1)
        time.sleep(3)
    finally:
        for worker in workers:
            worker.stop()
    name = f"a plain Celery task, {acks} acks: kill-worker"
    return _judge(system, name, mails=mails, seed=seed, rate=rate, ended=ended)


def _worker(system: System, environment: dict[str, str], name: str) -> Process:
    command = ["-m", "celery", "-A", "bench.plain", "worker", "-Q", "plain", "-n", f"{name}@localhost", "-l", "INFO"]
    process = program(name, command, environment=environment, logs=system.base)
    process.start()
    process.wait_ready(lambda: "ready." in process.log.read_text(errors="replace"), timeout=60)
    return process


def _received(system: System) -> dict[str, int]:
    with closing(sqlite3.connect(system.sandbox_file, timeout=30)) as inbox:
        rows: list[Any] = inbox.execute("select recipients, count(*) from mail group by recipients").fetchall()
    return dict(rows)


def _judge(system: System, name: str, *, mails: int, seed: int, rate: float, ended: datetime) -> Verdict:
    counts = _received(system)
    return Verdict(
        fault=name, seed=seed, accepted=mails, received=len(counts), twice=sum(n > 1 for n in counts.values()),
        flagged=0, accounted=0, in_queue=0, lost=mails - len(counts), unanswered=0, retried=0, rate=rate, flowing=0.0,
        rest=round((datetime.now(UTC) - ended).total_seconds(), 1),
    )  # fmt: skip
