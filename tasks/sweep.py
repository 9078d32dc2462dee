"""`tasks.sweep`: wake what nobody woke. The store decides what is due; the broker is only told."""

from __future__ import annotations

from mailer import bootstrap, log
from mailer.client.task import wake
from mailer.errors import BrokerUnavailable, StoreUnavailable
from mailer.settings import SWEEP_TASK
from tasks.app import app
from tasks.send import send_email

_log = log.get(__name__)

# How many graces later an envelope is woken again if nothing has happened to it: a backlog is no loss.
_AGAIN = 10


@app.task(name=SWEEP_TASK)
def sweep() -> str:
    """Publish every envelope whose wake-up is due, in one bounded batch."""
    settings = bootstrap.settings()
    try:
        due = bootstrap.service().sweep(limit=settings.sweep_batch, again_in=settings.sweep_grace * _AGAIN)
        for envelope in due:
            wake(send_email, envelope.id, lane=envelope.lane, request_id=envelope.request_id)
    except (StoreUnavailable, BrokerUnavailable) as error:
        # Beat comes again; what was put off and not published comes again too, later.
        _log.warning("sweep.unavailable", error=type(error).__name__)
        return "unavailable"
    if due:
        _log.info("sweep", woken=len(due))
    return f"woke {len(due)}"
