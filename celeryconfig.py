"""Celery's configuration: pure data from mailer.settings. The reasons are in docs/decisions/celery.md."""

from __future__ import annotations

from mailer.settings import RECONCILE_TASK, REMOVE_TASK, SWEEP_TASK, Settings

_settings = Settings.load()

# What publishers and workers must agree on: broker, queues, routes, serializer.
globals().update(_settings.celery())

imports = ("tasks.send", "tasks.events", "tasks.callbacks", "tasks.reconcile", "tasks.sweep", "tasks.spool")

# A task is acknowledged when its outcome is stored, and comes back when its worker dies.
task_acks_late = True
# One that fails in a way nobody thought of goes to the dead queue: what it brings may be stored nowhere else.
task_acks_on_failure_or_timeout = False
task_reject_on_worker_lost = True

# Calls wait for HTTP: threads carry most of them per megabyte. Deadlines are our own (threads ignore Celery's).
worker_pool = "threads"
worker_concurrency = _settings.concurrency
worker_prefetch_multiplier = 1
worker_consumer = "tasks.worker:Consumer"
worker_soft_shutdown_timeout = _settings.shutdown_seconds
worker_send_task_events = True
task_send_sent_event = True

broker_heartbeat = 10
broker_pool_limit = _settings.concurrency + 2
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# How often what was lifted here is to be lifted at the providers, seconds.
_REMOVE_INTERVAL = 30.0


def _every(task: str, seconds: float) -> dict[str, object]:
    # One that waited longer than till the next one is of no use.
    return {"task": task, "schedule": seconds, "options": {"expires": max(1.0, seconds)}}


beat_schedule = {"sweep": _every(SWEEP_TASK, _settings.sweep_interval)}
if _settings.reconcile_interval:
    beat_schedule["reconcile"] = _every(RECONCILE_TASK, _settings.reconcile_interval)
    beat_schedule["remove"] = _every(REMOVE_TASK, min(_REMOVE_INTERVAL, _settings.reconcile_interval))
