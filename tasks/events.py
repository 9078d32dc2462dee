"""`tasks.read_webhook`: take in what a provider has told us, and have the applications told."""

from __future__ import annotations

import celery

from mailer import bootstrap, log
from mailer.errors import StoreUnavailable
from mailer.settings import READ_TASK
from tasks import callbacks
from tasks.app import app

_log = log.get(__name__)

# Seconds before a task asks again for a database that did not answer.
_STORE_PAUSE = 5


@app.task(name=READ_TASK, bind=True, max_retries=None)
def read_webhook(self: celery.Task, id: str) -> int:
    """Read a webhook that is stored; how many events were in it. The sweep finds one that nobody reads."""
    try:
        count = bootstrap.hearing().read(id)
        callbacks.publish()
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))
        raise self.retry(countdown=_STORE_PAUSE, exc=error) from error
    return count
