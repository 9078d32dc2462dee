"""The dead queue's consumer: every task that the broker gave up on is accounted for, then acknowledged.

A part of the sweep and no consumer of its own: what kills workers must not be handed to them as work.
"""

from __future__ import annotations

import json
import time
from typing import Any

import amqp.exceptions
import kombu

from mailer import bootstrap, ids, request_id
from mailer.api_key import DEFAULT_PROJECT
from mailer.burial import Letter
from mailer.client.app import ERRORS
from mailer.client.task import is_project, names_stored
from mailer.client.topology import declare
from mailer.errors import BrokerUnavailable
from mailer.settings import DEAD_QUEUE, SEND_TASK
from tasks.app import app

# Of what was no task of ours so much is kept.
_RAW = 10_000


def bury(*, until: float) -> int:
    """Account for what lies in the dead queue, until it is empty or the time (monotonic) is over; return how many.

    Raises:
        BrokerUnavailable: the broker does not answer.
        StoreUnavailable: what could not be written down stays in the queue.
    """
    if not bootstrap.settings().broker_url.startswith("amqp"):
        return 0  # other brokers have none
    # A message that is given back again and again is given up by its queue too: none is taken while the store is away.
    bootstrap.store().last_sweep()
    try:
        with app.connection_for_write() as connection:
            return _bury(connection.default_channel, until)
    except amqp.exceptions.NotFound:
        declare(bootstrap.settings())
        return 0
    except ERRORS as error:
        raise BrokerUnavailable(f"the broker does not answer: {type(error).__name__}") from error


def _bury(channel: Any, until: float) -> int:
    done = 0
    while time.monotonic() < until and (raw := channel.basic_get(DEAD_QUEUE, no_ack=False)) is not None:
        # Not by kombu's Queue.get: that raises at what it cannot decode, and such a message lies here for that.
        message = channel.message_to_python(raw)
        bootstrap.service().bury(read(message))
        # Only now: were the store away, closing the connection would give it back to the queue.
        message.ack()
        done += 1
    return done


def read(message: kombu.Message) -> Letter:
    """Return a message of the dead queue as a letter, whatever it is."""
    headers = message.headers or {}
    call = _call(message) if headers.get("task") == SEND_TASK else None
    id = headers.get("id")
    id = id if isinstance(id, str) and ids.is_id(id) else None
    fields = call if call is not None and not names_stored(call) else None
    project = (fields or {}).get("project")
    return Letter(
        id=call["id"] if call is not None and fields is None else id,
        project_id=project if is_project(project) else DEFAULT_PROJECT,
        request_id=request_id.clean(headers.get(request_id.HEADER)),
        reason=_death(headers, "reason"),
        death=f"{_death(headers, 'reason')} {_death(headers, 'count')} {_death(headers, 'time')}",
        fields=None if fields is None else {name: value for name, value in fields.items() if name != "project"},
        call=call if call is not None else {"raw": _text(message.body)[:_RAW], "headers": _text(headers)[:_RAW]},
    )


def _call(message: kombu.Message) -> dict[str, Any] | None:
    """Return the keyword arguments of a task message (protocol 2: `[args, kwargs, embed]`)."""
    try:
        body = json.loads(message.body)
    except (ValueError, TypeError, RecursionError):
        return None
    kwargs = body[1] if isinstance(body, list) and len(body) == 3 else None
    return kwargs if isinstance(kwargs, dict) else None


def _death(headers: dict[str, Any], what: str) -> str:
    """Return what the broker says of its latest death."""
    deaths = headers.get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    return str(latest.get(what, "unknown"))[:64]


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        value = bytes(value).decode("utf-8", "backslashreplace")
    # PostgreSQL takes no NUL in JSON.
    return (value if isinstance(value, str) else json.dumps(value, default=str)).replace("\x00", "\\x00")
