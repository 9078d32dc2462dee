"""The broker's queues as they are, held against what they should be. Nothing is created or changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import amqp.exceptions
import kombu
import kombu.exceptions

from mailer.client.task import publisher, queues
from mailer.errors import BrokerUnavailable
from mailer.settings import Settings

_BROKER_ERRORS = (kombu.exceptions.OperationalError, amqp.exceptions.AMQPError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue of ours.

    Attributes:
        exists: whether the broker has it.
        ours: whether it has our arguments; these cannot be changed later.
        difference: the broker's own words about an argument that differs.
        messages: how many are ready to be taken.
        consumers: how many workers listen.
    """

    name: str
    exists: bool
    ours: bool = False
    difference: str = ""
    messages: int = 0
    consumers: int = 0


def inspect(settings: Settings) -> list[QueueState]:
    """Return the state of every queue of ours.

    Raises:
        BrokerUnavailable: the broker does not answer, or refuses us.
    """
    app = publisher(settings).app
    rabbit = settings.broker_url.startswith("amqp")
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            if not rabbit:
                return [QueueState(name=q.name, exists=True, ours=True) for q in queues(app, rabbit=False)]
            return [_state(connection, queue) for queue in queues(app, rabbit=True)]
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(type(error).__name__) from error


def _state(connection: Any, queue: kombu.Queue) -> QueueState:
    # A question that is answered with no closes its channel: each has its own.
    with connection.channel() as channel:
        try:
            found = channel.queue_declare(queue.name, passive=True)
        except amqp.exceptions.NotFound:
            return QueueState(name=queue.name, exists=False)
    state = QueueState(
        name=queue.name, exists=True, ours=True, messages=found.message_count, consumers=found.consumer_count
    )
    with connection.channel() as channel:
        try:
            # It exists, so this creates nothing: the broker compares.
            bound: Any = queue.bind(channel)  # type: ignore[no-untyped-call]
            bound.queue_declare()
        except amqp.exceptions.PreconditionFailed as error:
            return QueueState(
                name=queue.name, exists=True, ours=False, difference=str(error.reply_text),
                messages=state.messages, consumers=state.consumers,
            )  # fmt: skip
    return state
