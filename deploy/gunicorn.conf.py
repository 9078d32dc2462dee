"""gunicorn for the API: threads, because a request waits for the database and the broker, not for the processor.

A thread gets a request once it is there as a whole: deploy/waitress_worker.py.
"""

# ruff: noqa: N999 - gunicorn looks for this name
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gunicorn import glogging

from mailer import alarm, log
from mailer.client.topology import declare
from mailer.errors import BrokerUnavailable, ConfigurationError
from mailer.settings import Settings

bind = f"{os.environ.get('MAILER_BIND') or '0.0.0.0'}:{os.environ.get('PORT') or '8000'}"  # noqa: S104
worker_class = "deploy.waitress_worker.WaitressWorker"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
# Those for requests, and one for each stream of events.
threads = 8 + Settings.load().streams

# Below the 18 s that deploy/supervisor.py gives, and well below a platform's usual 30.
graceful_timeout = 15
# A worker that has not even its heartbeat for this long hangs; requests themselves have their own deadlines.
timeout = 30

# The heartbeat's file: in memory, a slow disk must not look like a hanging worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# Nobody uses it, and its default place below $HOME would be shared by two runs.
control_socket_disable = True

# The API logs its accesses itself, with request ids and without secrets.
accesslog = None


def on_starting(_: Any) -> None:
    """Declare the broker's queues before the first request; one that differs or is away is not the callers' concern."""
    try:
        declare(Settings.load())
    except BrokerUnavailable as error:
        log.get("api").warning("broker.unavailable", error=str(error))
    except ConfigurationError as error:
        alarm.raise_alarm("topology.differs", reason=str(error))


class Logger(glogging.Logger):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn's own lines, through the one pipeline that all others take."""

    def setup(self, cfg: Any) -> None:
        """Send them on instead of writing them."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        log.configure(Settings.load(), process="web")


logger_class = Logger
