"""`send_email`: the client through the broker, and the publishing half of the task that the workers run.

The one room of the core that knows Celery. An application that calls `send_email.delay(...)` loads neither flask nor a
database driver.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import amqp.exceptions
import celery
import kombu
import kombu.exceptions
from kombu.transport import native_delayed_delivery as delayed

from mailer import clock, ids, masking, request_id
from mailer.client.body import named
from mailer.delivery import Lane
from mailer.errors import BrokerUnavailable, ConfigurationError, InvalidMessage, Problem
from mailer.message import Message
from mailer.settings import BROKER_TIMEOUT, DEAD_EXCHANGE, DEAD_QUEUE, QUEUES, SEND_TASK, Settings

DEFAULT_PROJECT = "default"

_STORED = frozenset({"id", "lane", "hops"})
_PROJECT = re.compile(r"[A-Za-z0-9._-]{1,64}")

# A full queue, a broker that is down, hangs or has no quorum; a missing exchange or queue (celery.md, trap 5).
_BROKER_ERRORS = (kombu.exceptions.OperationalError, amqp.exceptions.AMQPError, OSError)


class SendEmail(celery.Task):
    """What happens to a call of `send_email` before it is published, in an application and in a worker alike.

    A call either brings a message (the fields of the HTTP body, checked here) or names one that is stored (`id`).
    """

    name = SEND_TASK
    # The arguments are checked by the message's own rules, which say more than a TypeError does.
    typing = False

    def apply_async(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        **options: Any,
    ) -> Any:
        """Publish the call and return its result handle, whose `id` is the message's id.

        When this returns, the broker's durable queue has confirmed it.

        Raises:
            InvalidMessage: one or more fields are wrong; nothing was published.
            BrokerUnavailable: the broker did not confirm within seconds.
        """
        if args:
            raise TypeError("send_email takes keyword arguments only: send_email.delay(to=..., subject=..., text=...)")
        # A worker that publishes its call again (a retry) has accepted it: what has expired meanwhile is its matter.
        now = clock.now() if self.request.called_directly else None
        call = dict(kwargs or {})
        call = call if names_stored(call) else _checked(call, now=now)
        if options.get("expires") is not None:
            raise InvalidMessage((Problem("/expires", "would drop the mail unseen; use expires_at", "expires"),))
        task_id = _id(task_id) if task_id else ids.new()
        options |= {
            "headers": _headers(options.get("headers")),
            "queue": QUEUES[Lane(call.get("lane", Lane.TRANSACTIONAL))],
            # What Flower, events and logs see. Set here, since a retry would otherwise show everything again.
            # A queue that is gone is an error, not a confirmed publish into nowhere.
            "mandatory": True,
            "argsrepr": "()",
            "kwargsrepr": _summary(call),
        }
        try:
            return super().apply_async((), call, task_id=task_id, **_whole_seconds(options))
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable(f"the broker did not confirm: {type(error).__name__}") from error


def names_stored(call: Mapping[str, Any]) -> bool:
    """Tell whether a call names a message that is stored already; every other call brings one."""
    return "id" in call and call.keys() <= _STORED and isinstance(call["id"], str) and ids.is_id(call["id"])


class Celery(celery.Celery):
    """A Celery whose publishers never wait for ever.

    Connections for writing have timeouts of their own: a publish to a broker that hangs, or has its memory alarm on,
    would hang too. Those for reading have none: a worker waits there for work.
    """

    def connection_for_write(self, url: str | None = None, *args: Any, **options: Any) -> Any:
        """Return a connection with bounds."""
        bounds: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
        if (url or self.conf.broker_url).startswith("amqp"):
            bounds |= {"read_timeout": BROKER_TIMEOUT, "write_timeout": BROKER_TIMEOUT}
        options["transport_options"] = bounds | (options.get("transport_options") or {})
        return super().connection_for_write(url, *args, **options)


def publisher(settings: Settings) -> SendEmail:
    """Return a `send_email` that publishes with these settings."""
    app = _app(settings)
    app.conf.broker_pool_limit = settings.concurrency
    task: SendEmail = app.register_task(SendEmail())
    return task


def _app(settings: Settings) -> Celery:
    app = Celery("mailer", set_as_current=False)
    app.conf.update(settings.celery())
    return app


def wake(task: SendEmail, id: str, *, lane: Lane, request_id: str) -> None:
    """Publish the call that delivers a stored envelope; `BrokerUnavailable` costs latency, the sweep repeats it."""
    call = {"id": id, "lane": lane.value}
    task.apply_async(kwargs=call, task_id=id, headers={"x-request-id": request_id})


def ping(task: SendEmail) -> None:
    """Return if the broker answers on a new connection within seconds, else raise BrokerUnavailable."""
    try:
        with task.app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(type(error).__name__) from error


def depths(task: SendEmail, settings: Settings) -> dict[str, int]:
    """Return how many messages wait in each lane's queue, by its name. A queue that is gone is declared again.

    Raises:
        BrokerUnavailable: the broker does not answer.
    """
    try:
        with task.app.connection_for_write() as connection:
            return {name: _depth(connection, name) for name in QUEUES.values()}
    except amqp.exceptions.NotFound:
        declare(settings)
        return dict.fromkeys(QUEUES.values(), 0)
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(f"the broker does not answer: {type(error).__name__}") from error


def _depth(connection: Any, name: str) -> int:
    count: int = connection.default_channel.queue_declare(name, passive=True).message_count
    return count


def dead_queue() -> kombu.Queue:
    """Return the queue of what the broker gave up on."""
    exchange = kombu.Exchange(DEAD_EXCHANGE, type="topic")
    return kombu.Queue(DEAD_QUEUE, exchange, routing_key=DEAD_QUEUE, queue_arguments={"x-queue-type": "quorum"})


def declare(settings: Settings) -> None:
    """Declare every exchange and queue, and with RabbitMQ the topology of delayed tasks.

    Done at deploy and at start, not at the first publish: a quorum queue that is a second old when its node is killed
    may lose what was confirmed, and a delayed task needs its exchange before any worker ever ran.

    Raises:
        ConfigurationError: a queue exists with other arguments.
        BrokerUnavailable: the broker does not answer.
    """
    # Without a task: in a worker, a second `send_email` would take the place of the one that runs.
    app = _app(settings)
    try:
        with app.connection_for_write() as connection:
            _declare(app, connection, rabbit=settings.broker_url.startswith("amqp"))
    except amqp.exceptions.PreconditionFailed as error:
        raise ConfigurationError(
            f"a queue has other arguments, which cannot be changed: drain and delete it first ({error.reply_text})"
        ) from None
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable(f"the broker does not answer: {type(error).__name__}") from error


def queues(app: celery.Celery, *, rabbit: bool) -> list[kombu.Queue]:
    """Return every queue that there is to be, with our arguments."""
    found = list(app.amqp.queues.values())
    if rabbit:
        found.append(dead_queue())
    return found


def _declare(app: celery.Celery, connection: Any, *, rabbit: bool) -> None:
    if rabbit:
        delayed.declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    for queue in queues(app, rabbit=rabbit):
        queue.bind(connection.default_channel).declare()
        if rabbit and queue.name != DEAD_QUEUE:
            delayed.bind_queue_to_native_delayed_delivery_exchange(connection, queue)


def _checked(fields: Mapping[str, Any], *, now: datetime | None) -> dict[str, Any]:
    """Return the call for a message, in the form that is published, or raise InvalidMessage."""
    fields = named(fields)
    project = fields.pop("project", DEFAULT_PROJECT)
    if not isinstance(project, str) or not _PROJECT.fullmatch(project):
        raise InvalidMessage((Problem("/project", "must be a name: 1 to 64 of A-Z a-z 0-9 . _ -", "project"),))
    message = build(fields, Settings.load(), now=now)
    return message.wire() | ({"project": project} if project != DEFAULT_PROJECT else {})


def build(fields: Mapping[str, Any], settings: Settings, *, now: datetime | None) -> Message:
    """Return the message; one that names no sender gets MAILER_FROM."""
    given = dict(fields)
    if given.get("from") is None and settings.default_from:
        given["from"] = settings.default_from
    return Message.build(given, now=now)


def _id(task_id: str) -> str:
    if not ids.is_id(task_id):
        raise InvalidMessage((Problem("/task_id", "must be a UUID: it becomes the message's id", "task_id"),))
    return task_id


def _headers(given: Mapping[str, Any] | None) -> dict[str, Any]:
    named = {name.lower(): value for name, value in (given or {}).items()}
    rest = {name: value for name, value in (given or {}).items() if name.lower() != request_id.HEADER}
    return {**rest, request_id.HEADER: request_id.clean(named.get(request_id.HEADER) or _inherited())}


def _inherited() -> str | None:
    """Return the id of the request that this thread works on: ours, or that of a task of the application's own."""
    task = celery.current_task
    headers = (task.request.headers if task else None) or {}
    return request_id.current() or headers.get(request_id.HEADER)


def _summary(call: Mapping[str, Any]) -> str:
    if names_stored(call):
        return repr({name: call[name] for name in ("id", "hops") if name in call})
    people = [who for role in ("to", "cc", "bcc") for who in call.get(role, ())]
    shown = ", ".join(masking.address(who["email"]) for who in people[:3]) + (", ..." if len(people) > 3 else "")
    return repr({"recipients": len(people), "to": shown, "lane": call.get("lane", Lane.TRANSACTIONAL.value)})


def _whole_seconds(options: dict[str, Any]) -> dict[str, Any]:
    # A delay between 0 and 1 second would be lost by a quorum queue (trap 3).
    countdown = options.get("countdown")
    return {**options, "countdown": max(1, math.ceil(countdown))} if countdown else options


class _Lazy:
    """`send_email` of this process, built with its environment on first use."""

    def __init__(self) -> None:
        self._task: SendEmail | None = None

    def task(self) -> SendEmail:
        self._task = self._task or publisher(Settings.load())
        return self._task

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task(), name)

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("an application does not run the task itself: send_email.delay(to=..., subject=..., text=...)")


send_email: Any = _Lazy()
