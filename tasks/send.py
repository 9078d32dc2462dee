"""`tasks.send_email`: one envelope, one step further."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from celery import exceptions

from mailer import alarm, bootstrap, log, request_id
from mailer.api_key import DEFAULT_PROJECT
from mailer.client.task import SendEmail, names_stored
from mailer.delivery import EnvelopeStatus
from mailer.errors import BrokerUnavailable, Conflict, InvalidMessage, StoreUnavailable
from mailer.message import Message
from mailer.settings import SEND_TASK
from mailer.step import Later, Next
from tasks import callbacks
from tasks.app import app

_log = log.get(__name__)

# Ends that no provider tells the application of.
_TOLD = frozenset({EnvelopeStatus.FAILED, EnvelopeStatus.EXPIRED, EnvelopeStatus.UNKNOWN})

# Seconds before a task asks again for a database that did not answer.
_STORE_PAUSE = 5
# Seconds that a thread keeps a call that can be neither stored nor published again.
_LAST_RESORT_PAUSE = 20


@app.task(name=SEND_TASK, base=SendEmail, bind=True, max_retries=None, shared=False)
def send_email(self: SendEmail, **call: Any) -> str:
    """Deliver a stored envelope (`id`), or store the message that the call brings and deliver it."""
    try:
        id = call["id"] if names_stored(call) else _submit(self.request.id, call)
        step = bootstrap.service().deliver(id)
    except StoreUnavailable as error:
        _log.warning("store.unavailable", envelope_id=self.request.id, error=str(error))
        _again(self, call, _STORE_PAUSE, error)
    except Conflict:
        # Its sender was told that it is safe: kept whole, for a person (mailer/burial.py).
        raise exceptions.Reject("conflict", requeue=False) from None
    except InvalidMessage as error:
        # Checked by its sender already, so of another version: to the dead queue, with an alarm, not to the void.
        alarm.raise_alarm("message.invalid", envelope_id=self.request.id, problems=str(error))
        raise exceptions.Reject("invalid message", requeue=False) from None
    known = {"id": id, "lane": call.get("lane", "transactional")}
    if isinstance(step, Next):
        return _replaced(self, {**known, "hops": step.hops})
    if isinstance(step, Later):
        _again(self, {**known, "hops": step.hops}, step.seconds, None)
    if step.status in _TOLD:
        callbacks.publish_soon()
    return step.status


def _submit(id: str, call: dict[str, Any]) -> str:
    fields = {name: value for name, value in call.items() if name != "project"}
    project = call.get("project", DEFAULT_PROJECT)
    rid = request_id.current() or request_id.clean(None)
    return bootstrap.service().submit(Message.build(fields), project_id=project, request_id=rid, id=id)


def _replaced(task: SendEmail, call: dict[str, Any]) -> str:
    try:
        return str(task.replace(task.si(**call)))
    except BrokerUnavailable:
        # What is to be done is stored; the sweep will find it.
        _log.warning("broker.unavailable", envelope_id=call["id"])
        bootstrap.service().hasten([call["id"]])
        return "left to the sweep"


def _again(task: SendEmail, call: dict[str, Any], seconds: int, error: Exception | None) -> NoReturn:
    """End this run so that the call comes back in `seconds`."""
    try:
        task.retry(args=(), kwargs=call, countdown=seconds, exc=error)
    except exceptions.Reject as unpublished:
        # What Celery makes of a retry that could not be published: to the dead queue. Ours must come back.
        _log.warning("broker.unavailable", envelope_id=call.get("id", task.request.id), error=str(unpublished))
    if names_stored(call):
        raise exceptions.Ignore  # the sweep will find it
    # Stored nowhere: the broker must keep it. Not at once, since it counts how often it delivers before it gives up.
    alarm.raise_alarm("message.not_stored", envelope_id=task.request.id)
    time.sleep(_LAST_RESORT_PAUSE)
    raise exceptions.Reject("not stored", requeue=True)
