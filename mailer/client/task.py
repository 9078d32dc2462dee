"""`send_email`: the client through the broker, and the publishing half of the task that the workers run.

mailer.client is the one room of the core that knows Celery. An application that calls `send_email.delay(...)` loads
neither flask nor a database driver.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

try:
    import celery
except ModuleNotFoundError as error:
    raise ImportError(
        "send_email needs Celery: install this package with its extra `celery`, e.g. pip install '.[celery]'"
    ) from error

from mailer import clock, ids, masking, request_id
from mailer.api_key import DEFAULT_PROJECT
from mailer.client import app
from mailer.client.body import named
from mailer.delivery import Lane
from mailer.errors import BrokerUnavailable, InvalidMessage, Problem
from mailer.message import Message
from mailer.settings import QUEUES, SEND_TASK, Settings

_STORED = frozenset({"id", "lane", "hops"})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PROJECT = re.compile(r"[A-Za-z0-9._-]{1,64}")


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

        When this returns, the broker's durable queue has confirmed it. With an `idempotency_key` the id is derived from
        project and key: a repeat names the same mail, which is sent once. Another message under the same key is not
        sent; it is noted on the first one, with an alarm.

        Raises:
            InvalidMessage: one or more fields are wrong; nothing was published.
            BrokerUnavailable: the broker did not confirm within seconds.
        """
        if args:
            raise TypeError("send_email takes keyword arguments only: send_email.delay(to=..., subject=..., text=...)")
        # A worker that publishes its call again (a retry) has accepted it: what has expired meanwhile is its matter.
        now = clock.now() if self.request.called_directly else None
        call = dict(kwargs or {})
        if (key := call.pop("idempotency_key", None)) is not None:
            task_id = _named_by(key, call.get("project", DEFAULT_PROJECT), given=task_id)
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
        except app.ERRORS as error:
            raise BrokerUnavailable(f"the broker did not confirm: {type(error).__name__}") from error


def _named_by(key: object, project: object, *, given: str | None) -> str:
    """Return the id that a key names: the same each time, so the same mail."""
    if given is not None:
        raise InvalidMessage((Problem("/idempotency_key", "cannot be given together with task_id", "idempotency_key"),))
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidMessage(
            (Problem("/idempotency_key", "must be 1 to 255 visible ASCII characters", "idempotency_key"),)
        )
    return ids.derived(f"idempotency:{project}:{key}")


def is_project(value: object) -> TypeGuard[str]:
    """Tell whether something is the name of a project."""
    return isinstance(value, str) and _PROJECT.fullmatch(value) is not None


def names_stored(call: Mapping[str, Any]) -> bool:
    """Tell whether a call names a message that is stored already; every other call brings one."""
    return "id" in call and call.keys() <= _STORED and isinstance(call["id"], str) and ids.is_id(call["id"])


def publisher(settings: Settings) -> SendEmail:
    """Return a `send_email` that publishes with these settings."""
    made = app.build(settings)
    made.conf.broker_pool_limit = settings.concurrency
    # A class of its own: Celery binds classes to applications, and the last one would publish for all.
    bound = type("SendEmail", (SendEmail,), {})
    task: SendEmail = made.register_task(bound())
    return task


def wake(task: SendEmail, id: str, *, lane: Lane, request_id: str) -> None:
    """Publish the call that delivers a stored envelope; `BrokerUnavailable` costs latency, the sweep repeats it."""
    call = {"id": id, "lane": lane.value}
    task.apply_async(kwargs=call, task_id=id, headers={"x-request-id": request_id})


def announce(task: SendEmail, name: str, *, request_id: str, countdown: float = 0, **call: Any) -> None:
    """Publish that another task is to be run; `BrokerUnavailable` costs latency, the sweep repeats it.

    Args:
        task: whose broker it is published to.
        countdown: seconds that it waits.
    """
    headers = {"x-request-id": request_id}
    options = _whole_seconds({"headers": headers, "mandatory": True} | ({"countdown": countdown} if countdown else {}))
    try:
        task.app.send_task(name, kwargs=call, **options)
    except app.ERRORS as error:
        raise BrokerUnavailable(f"the broker did not confirm: {type(error).__name__}") from error


def ping(task: SendEmail) -> None:
    """Return if the broker answers on a new connection within seconds, else raise BrokerUnavailable."""
    try:
        with task.app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    except app.ERRORS as error:
        raise BrokerUnavailable(type(error).__name__) from error


def _checked(fields: Mapping[str, Any], *, now: datetime | None) -> dict[str, Any]:
    """Return the call for a message, in the form that is published, or raise InvalidMessage."""
    fields = named(fields)
    project = fields.pop("project", DEFAULT_PROJECT)
    if not is_project(project):
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
