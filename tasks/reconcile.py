"""`tasks.reconcile`, `tasks.remove_suppressions`: what webhooks lost is found, what was lifted is lifted everywhere."""

from __future__ import annotations

from mailer import bootstrap, log
from mailer.errors import StoreUnavailable
from mailer.settings import RECONCILE_TASK, REMOVE_TASK
from tasks import callbacks
from tasks.app import app

_log = log.get(__name__)

# Removals of one run.
_REMOVALS = 100


@app.task(name=RECONCILE_TASK)
def reconcile() -> int:
    """Read every provider on from where it was read last, and measure who is silent; how much was new."""
    try:
        readings = bootstrap.reconciler().poll()
        found = sum(r.new_events + r.new_listed for r in readings)
        if found:
            callbacks.publish()
        bootstrap.listener().measure()
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))  # beat comes again, and it goes on where it stopped
        return 0
    for r in readings:
        if r.new_events or r.new_listed:
            _log.info(
                "reconciled", provider=r.provider, source=r.source, pages=r.pages, events=r.new_events,
                addresses=r.new_listed,
            )  # fmt: skip
    return found


@app.task(name=REMOVE_TASK)
def remove_suppressions() -> int:
    """Have the providers forget suppressions that were lifted; how many are done with."""
    try:
        return bootstrap.remover().work(limit=_REMOVALS)
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))
        return 0
