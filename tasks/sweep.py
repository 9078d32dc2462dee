"""`tasks.sweep`: wake what nobody woke, account for what died. The store decides what is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from mailer import alarm, bootstrap, log, request_id
from mailer.client.task import announce, wake
from mailer.client.topology import depths
from mailer.delivery import Lane
from mailer.errors import BrokerUnavailable, ConfigurationError, StoreUnavailable
from mailer.ledger import Due
from mailer.settings import CALLBACKS_QUEUE, EVENTS_QUEUE, QUEUES, READ_TASK, SWEEP_TASK, WATCHED
from tasks import callbacks, dead
from tasks.app import app
from tasks.send import send_email

_log = log.get(__name__)

# A sweep that takes longer than its interval must not meet the next one here.
_running = threading.Lock()

# How many graces later an envelope is woken again if nothing has happened to it: a backlog is no loss.
_AGAIN = 3
# Seconds after which nobody seems to be calling an endpoint.
_OVERDUE = 5.0
# Until which share of its time each lane may use the sweep; the rest is for what died.
_FORGETTING = 0.2
_SHARES = {Lane.TRANSACTIONAL: 0.5, Lane.BULK: 0.75}


@app.task(name=SWEEP_TASK)
def sweep() -> str:
    """Publish envelopes whose wake-up is due, as many as the queues and the time until the next sweep allow."""
    if not _running.acquire(blocking=False):
        return "another one is running"  # it looks after the same, and both would fill the queues
    begun = time.monotonic()
    try:
        return _sweep(begun)
    except (StoreUnavailable, BrokerUnavailable) as error:
        _log.warning("sweep.unavailable", error=f"{type(error).__name__}: {error}")  # beat comes again
        return "unavailable"
    finally:
        _running.release()


def _sweep(begun: float) -> str:
    service, settings = bootstrap.service(), bootstrap.settings()
    # First, since it needs no broker: each request with an Idempotency-Key has left one.
    until = begun + settings.sweep_interval * _FORGETTING
    while service.forget_answers(limit=settings.sweep_batch) == settings.sweep_batch and time.monotonic() < until:
        pass
    try:
        waiting = depths(app, settings)
    except ConfigurationError as error:
        # Another version's queues, and one of ours is gone: a person must look, and what can be woken is.
        alarm.raise_alarm("topology.differs", reason=str(error))
        waiting = dict.fromkeys(WATCHED, 0)
    length = max(settings.sweep_interval * 0.8, 1)
    woken = sum(_wake_lane(lane, waiting, begun + length * _SHARES[lane]) for lane in Lane)
    buried = dead.bury(until=begun + length)
    _telling(waiting, begun + length)
    seconds = round(time.monotonic() - begun, 3)
    done = service.note_sweep(seconds=seconds, woken=woken, buried=buried, depths=waiting)
    oldest = (done.ran_at - done.left.oldest_at).total_seconds() if done.left.oldest_at else 0
    say = _log.info if woken or buried or done.left.count else _log.debug
    say(
        "sweep", woken=woken, buried=buried, left=done.left.count, oldest_seconds=round(oldest), depths=waiting,
        seconds=seconds,
    )  # fmt: skip
    return f"woke {woken}, buried {buried}, left {done.left.count}"


def _telling(waiting: Mapping[str, int], until: float) -> None:
    """Look after what is told, to us and by us; whatever goes wrong there is no mail's matter."""
    try:
        _read_webhooks(waiting)
        _tell(waiting, until)
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))


def _read_webhooks(waiting: Mapping[str, int]) -> None:
    """Have read what should have been read long ago, and forget what is too old."""
    hearing, settings = bootstrap.hearing(), bootstrap.settings()
    hearing.forget(limit=settings.sweep_batch)
    if waiting[EVENTS_QUEUE]:
        return  # they are most likely in there
    for id in hearing.unread(older_than=settings.sweep_grace, limit=settings.sweep_batch):
        announce(send_email, READ_TASK, request_id=request_id.clean(None), id=id)


def _tell(waiting: Mapping[str, int], until: float) -> None:
    """Have endpoints called that should have been called long ago, and forget what is too old."""
    caller, settings = bootstrap.caller(), bootstrap.settings()
    # Numbering is somebody else's matter, who has the time.
    callbacks.publish_soon()
    if waiting[CALLBACKS_QUEUE] < settings.sweep_batch:
        callbacks.wake(caller.overdue(older_than=_OVERDUE, limit=settings.sweep_batch))
    while caller.forget(limit=settings.sweep_batch) >= settings.sweep_batch and time.monotonic() < until:
        pass


def _wake_lane(lane: Lane, waiting: Mapping[str, int], until: float) -> int:
    """Wake in batches until nothing is due, the queue is full or the time is over; return how many."""
    service, settings = bootstrap.service(), bootstrap.settings()
    # What is due in a long queue has most likely been waiting there all the time: waking it again only makes it longer.
    room = settings.sweep_depth - waiting[QUEUES[lane]]
    woken = 0
    while room > woken and time.monotonic() < until:
        limit = min(settings.sweep_batch, room - woken)
        due = service.sweep(lane=lane, limit=limit, again_in=settings.sweep_grace * _AGAIN)
        published = _publish(due)
        woken += published
        if published < limit:
            break
    return woken


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
