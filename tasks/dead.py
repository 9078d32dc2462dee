"""The dead queue's consumer: every task that the broker gave up on is accounted for, then acknowledged.

A part of the sweep and no consumer of its own: what kills workers must not be handed to them as work.
"""

from __future__ import annotations

import json
import time
from typing import Any

import kombu

from mailer import bootstrap, ids, request_id
from mailer.burial import Letter
from mailer.client.task import DEFAULT_PROJECT, names_stored
from mailer.client.topology import dead_queue
from mailer.settings import SEND_TASK
from tasks.app import app

# Of what was no task of ours so much is kept.
_RAW = 10_000


def bury(*, until: float) -> int:
    """Account for what lies in the dead queue, until it is empty or the time (monotonic) is over; return how many."""
    if not bootstrap.settings().broker_url.startswith("amqp"):
        return 0  # other brokers have none
    # A message that is given back again and again would be given up by its queue too (20 times, on RabbitMQ 4): none is
    # taken while the store is away.
    bootstrap.store().last_sweep()
    done = 0
    with app.connection_for_write() as connection:
        queue = dead_queue().bind(connection.default_channel)
        while time.monotonic() < until and (message := queue.get()) is not None:
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
    return Letter(
        id=call["id"] if call is not None and fields is None else id,
        project_id=str((fields or {}).get("project", DEFAULT_PROJECT)),
        request_id=request_id.clean(headers.get(request_id.HEADER)),
        reason=_reason(headers),
        fields=None if fields is None else {name: value for name, value in fields.items() if name != "project"},
        call=call if call is not None else {"raw": _text(message.body)[:_RAW], "headers": _text(headers)[:_RAW]},
    )


def _call(message: kombu.Message) -> dict[str, Any] | None:
    """Return the keyword arguments of a task message (protocol 2: `[args, kwargs, embed]`)."""
    try:
        body = json.loads(message.body)
    except (ValueError, TypeError):
        return None
    kwargs = body[1] if isinstance(body, list) and len(body) == 3 else None
    return kwargs if isinstance(kwargs, dict) else None


def _reason(headers: dict[str, Any]) -> str:
    deaths = headers.get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    return str(latest.get("reason", "unknown"))


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    return value if isinstance(value, str) else json.dumps(value, default=str)
