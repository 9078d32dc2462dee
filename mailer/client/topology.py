"""The broker's exchanges and queues: declared, inspected, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import amqp.exceptions
import celery
import kombu
from kombu.transport import native_delayed_delivery as delayed

from mailer.client import app
from mailer.errors import BrokerUnavailable, ConfigurationError
from mailer.settings import DEAD_EXCHANGE, DEAD_QUEUE, WATCHED, Settings


def depths(here: celery.Celery, settings: Settings) -> dict[str, int]:
    """Return how many messages wait in each queue that the sweep fills. A queue that is gone is declared again.

    Raises:
        BrokerUnavailable: the broker does not answer.
    """
    try:
        with here.connection_for_write() as connection:
            return {name: _depth(connection, name) for name in WATCHED}
    except amqp.exceptions.NotFound:
        declare(settings)
        return dict.fromkeys(WATCHED, 0)
    except app.ERRORS as error:
        raise BrokerUnavailable(f"the broker does not answer: {type(error).__name__}") from error


def _depth(connection: Any, name: str) -> int:
    count: int = connection.default_channel.queue_declare(name, passive=True).message_count
    return count


def dead_queue() -> kombu.Queue:
    """Return the queue of what the broker gave up on."""
    exchange = kombu.Exchange(DEAD_EXCHANGE, type="topic")
    # Its own limit is no limit: RabbitMQ 4 would otherwise drop what was given back 20 times.
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
    return kombu.Queue(DEAD_QUEUE, exchange, routing_key=DEAD_QUEUE, queue_arguments=arguments)


def declare(settings: Settings) -> None:
    """Declare every exchange and queue, and with RabbitMQ the topology of delayed tasks.

    Done at deploy and at start, not at the first publish: a quorum queue that is a second old when its node is killed
    may lose what was confirmed, and a delayed task needs its exchange before any worker ever ran.

    Raises:
        ConfigurationError: a queue exists with other arguments.
        BrokerUnavailable: the broker does not answer.
    """
    here = app.build(settings)
    try:
        with here.connection_for_write() as connection:
            _declare(here, connection, rabbit=settings.broker_url.startswith("amqp"))
    except amqp.exceptions.PreconditionFailed as error:
        raise ConfigurationError(
            f"a queue has other arguments, which cannot be changed: drain and delete it first ({error.reply_text})"
        ) from None
    except app.ERRORS as error:
        raise BrokerUnavailable(f"the broker does not answer: {type(error).__name__}") from error


def queues(here: celery.Celery, *, rabbit: bool) -> list[kombu.Queue]:
    """Return every queue that there is to be, with our arguments."""
    found = list(here.amqp.queues.values())
    if rabbit:
        found.append(dead_queue())
    return found


def _declare(here: celery.Celery, connection: Any, *, rabbit: bool) -> None:
    if rabbit:
        delayed.declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    for queue in queues(here, rabbit=rabbit):
        queue.bind(connection.default_channel).declare()
        if rabbit and queue.name != DEAD_QUEUE:
            delayed.bind_queue_to_native_delayed_delivery_exchange(connection, queue)


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
    here = app.build(settings)
    rabbit = settings.broker_url.startswith("amqp")
    try:
        with here.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            if not rabbit:
                return [QueueState(name=q.name, exists=True, ours=True) for q in queues(here, rabbit=False)]
            return [_state(connection, queue) for queue in queues(here, rabbit=True)]
    except app.ERRORS as error:
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
            bound: Any = queue.bind(channel)
            bound.queue_declare()
        except amqp.exceptions.PreconditionFailed as error:
            return QueueState(
                name=queue.name, exists=True, ours=False, difference=str(error.reply_text),
                messages=state.messages, consumers=state.consumers,
            )  # fmt: skip
    return state
