"""The Celery application of whoever publishes or consumes, and what a broker can do to it."""

from __future__ import annotations

from typing import Any

import amqp.exceptions
import celery
import kombu.exceptions

from mailer.settings import BROKER_TIMEOUT, Settings

# A full queue, a broker that is down, hangs or has no quorum; a missing exchange or queue (celery.md, trap 5).
ERRORS = (kombu.exceptions.OperationalError, amqp.exceptions.AMQPError, OSError)


class Celery(celery.Celery):
    """A Celery whose publishers never wait for ever.

    Connections for writing have timeouts of their own: a publish to a broker that hangs, or has its memory alarm on,
    would hang too. Those for reading have none: a worker waits there for work.
    """

    def connection_for_write(self, url: str | None = None, *args: Any, **options: Any) -> Any:
        """Return a connection with bounds."""
        addresses = url or self.conf.broker_url
        bounds: dict[str, Any] = {
            # Each of several addresses once.
            "max_retries": max(1, addresses.count(";")), "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2,
        }  # fmt: skip
        if addresses.startswith("amqp"):
            bounds |= {"read_timeout": BROKER_TIMEOUT, "write_timeout": BROKER_TIMEOUT}
        options["transport_options"] = bounds | (options.get("transport_options") or {})
        return super().connection_for_write(url, *args, **options)


def build(settings: Settings) -> Celery:
    """Return an application without tasks: a second `send_email` in a worker would take the place of its own."""
    app = Celery("mailer", set_as_current=False)
    app.conf.update(settings.celery())
    return app
