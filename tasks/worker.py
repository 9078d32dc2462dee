"""Celery's worker with two habits of ours: an end in time, and no message thrown away unread."""

from __future__ import annotations

import time

import celery.apps.worker
import kombu
from celery.worker import consumer, state
from celery.worker.consumer.delayed_delivery import DelayedDelivery

from mailer import deadline, log

_log = log.get(__name__)

# Seconds before the end in which the last outcomes are stored.
_LAST_WORDS = 5.0


class Worker(celery.apps.worker.Worker):
    """A worker that ends as soon as its calls have ended, and in time if they do not."""

    def wait_for_soft_shutdown(self) -> None:
        """Let the calls in the air end; cut those that would outlast us, so that they are written down as unknown.

        Celery sleeps through the whole of its timeout here, and what has not ended then is killed unrecorded.
        """
        timeout = self.app.conf.worker_soft_shutdown_timeout
        end = time.monotonic() + timeout
        cut_at = end - min(_LAST_WORDS, timeout / 2)
        _log.info("worker.ending", calls=len(state.active_requests))
        while state.active_requests and time.monotonic() < end:
            time.sleep(0.1)
            if time.monotonic() >= cut_at and (cut := deadline.cut_running()):
                _log.warning("calls.cut", count=cut)
                cut_at = end


class Delays(DelayedDelivery):
    """Celery's step that declares where delayed tasks wait: once, through whichever address answers.

    Its own goes through every address by itself, and waits 15 seconds for each node that is dead. All of them are one
    cluster.
    """

    name = "Delays"

    def _validate_broker_urls(self, broker_urls: str) -> set[str]:
        return {broker_urls}


class Consumer(consumer.Consumer):
    """A consumer that gives what it cannot read to the dead queue, where somebody accounts for it."""

    class Blueprint(consumer.Consumer.Blueprint):
        """Celery's steps, with one of ours."""

        default_steps = tuple(
            "tasks.worker:Delays" if step.endswith(":DelayedDelivery") else step
            for step in consumer.Consumer.Blueprint.default_steps
        )

    def on_decode_error(self, message: kombu.Message, exc: Exception) -> None:
        """Reject a message in a form that is not ours; Celery would acknowledge it."""
        _log.error("message.unreadable", content_type=message.content_type, error=type(exc).__name__)
        message.reject_log_error(consumer.consumer.logger, self.connection_errors)
