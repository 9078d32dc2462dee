"""The Celery application of workers, beat and Flower, and what every task of it shares."""

from __future__ import annotations

import sys
import warnings
from functools import cached_property
from typing import Any

import celery
from celery import signals
from celery.platforms import SecurityWarning

from mailer import alarm, log, request_id
from mailer.client.app import Celery
from mailer.settings import SEND_TASK, Settings

# Our messages are JSON, so a worker that runs as root (a container, a fresh machine) is not the danger it warns of.
warnings.filterwarnings("ignore", category=SecurityWarning)


class Workers(Celery):
    """The application whose workers are ours (tasks/worker.py)."""

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name
        """Return the class that `celery worker` runs."""
        return self.subclass_with_self("tasks.worker:Worker")


app = Workers("tasks", events="tasks.heartbeat:Events", control="tasks.control:Control")
app.config_from_object("tasks.celeryconfig")


@signals.setup_logging.connect(weak=False)
def _configure(**_: Any) -> None:
    """Connected, so Celery leaves logging alone and every line of the process is ours."""
    settings = Settings.load()
    process = next((word for word in sys.argv if word in ("worker", "beat", "flower")), "celery")
    log.configure(settings, process=process)
    alarm.configure(settings, process=process)


@signals.task_prerun.connect(weak=False)
def _enter(task: celery.Task, **_: Any) -> None:
    headers = task.request.headers or {}
    request_id.enter(request_id.clean(headers.get(request_id.HEADER)))
    if task.name == SEND_TASK:
        alarm.tag(envelope_id=task.request.id)


@signals.task_postrun.connect(weak=False)
def _leave(**_: Any) -> None:
    request_id.enter(None)


@signals.before_task_publish.connect(weak=False)
def _carry(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Copy the request id into every task that a task starts: Celery itself keeps it in retries only (trap 12)."""
    if headers is not None and (current := request_id.current()) is not None:
        headers.setdefault(request_id.HEADER, current)
