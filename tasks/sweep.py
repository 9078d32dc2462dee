"""`tasks.sweep`: wake what nobody woke. The store decides what is due; the broker is only told."""

from __future__ import annotations

from mailer import bootstrap, log
from mailer.client.task import wake
from mailer.errors import BrokerUnavailable, StoreUnavailable
from mailer.ledger import Due
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
        woken = _publish(due)
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))  # beat comes again
        return "unavailable"
    if due:
        _log.info("sweep", due=len(due), woken=woken)
    return f"woke {woken} of {len(due)}"


def _publish(due: list[Due]) -> int:
    """Publish as far as the broker takes it; what it does not take is due again at once."""
    for number, envelope in enumerate(due):
        try:
            wake(send_email, envelope.id, lane=envelope.lane, request_id=envelope.request_id)
        except BrokerUnavailable as error:
            _log.warning("broker.unavailable", error=str(error))
            bootstrap.service().hasten([left.id for left in due[number:]])
            return number
    return len(due)
