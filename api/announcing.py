"""Tasks that a request leaves behind: published if the broker is there, found by the sweep if not."""

from __future__ import annotations

from typing import Any

from api import state
from mailer import log, request_id
from mailer.client.task import announce
from mailer.errors import BrokerUnavailable

_log = log.get(__name__)


def soon(task: str, **call: Any) -> None:
    """Have a task run; what it is to do is stored already, so the sweep does it if this cannot be published."""
    rid = request_id.current() or request_id.clean(None)
    try:
        announce(state.current().send_email, task, request_id=rid, countdown=0, **call)
    except BrokerUnavailable as error:
        _log.warning("broker.unavailable", error=str(error))
