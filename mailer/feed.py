"""What applications are told, and about it: events, endpoints, callbacks; one model each, as in mailer/resource.py."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from mailer.event import FeedType
from mailer.resource import Id, Resource, Time


class FeedEvent(Resource):
    """Something that became of a message, as feed, stream and callbacks tell it.

    Attributes:
        id: the same wherever and however often it is told.
        sequence: its place in the project's feed, without gaps: 1, 2, 3, ... None for a test.
        message_id: ours, None where it is about no message.
        recipient: None where it is about all of them, or its provider named nobody.
        provider: who told it, None where it ended here.
        permanent, bounce_class: of a bounce; the class also of a deferral that gives a reason.
        machine: whether a machine opened or clicked.
        url: that was clicked.
        request_id, tags, metadata: of the message.
    """

    id: Id
    sequence: int | None
    type: FeedType
    occurred_at: Time
    message_id: Id | None = None
    recipient: str | None = None
    provider: str | None = None
    permanent: bool | None = None
    bounce_class: str | None = None
    machine: bool = False
    detail: str = ""
    url: str | None = None
    request_id: str | None = None
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, str] = Field(default_factory=dict)


class FeedPage(Resource):
    """A part of the feed, the oldest first.

    Attributes:
        after: where the next part begins; the same as was asked for where there is nothing new.
        more: whether there is more at the moment.
    """

    events: list[FeedEvent]
    after: int
    more: bool


def _as_text(schema: dict[str, Any]) -> None:
    schema.pop("properties", None)
    schema["type"] = "string"


class EventStream(Resource):
    """Server-sent events: `id` is the event's place in the feed, `event` its type, `data` the event as JSON."""

    media_type: ClassVar[str] = "text/event-stream"
    model_config = ConfigDict(json_schema_extra=_as_text)


class EndpointState(Resource):
    """Where an application is told what became of its messages.

    Attributes:
        types: what it is told of; empty: everything.
        per_message: told only of messages whose `callback_url` lies at or below its own.
        enabled: whether it is called.
        disabled_reason: `by_hand`, `failing` (it failed for a day, and is tried once an hour) or `gone` (it said 410).
        failures: how many times in a row it took nothing, `failing_since` when.
        rest_until: until when it is left alone for that.
    """

    id: Id
    url: str
    description: str
    types: list[FeedType]
    per_message: bool
    test: bool
    enabled: bool
    disabled_at: Time | None
    disabled_reason: str | None
    failures: int
    failing_since: Time | None
    rest_until: Time | None
    succeeded_at: Time | None
    created_at: Time


class EndpointList(Resource):
    """The endpoints of the project, the newest first."""

    endpoints: list[EndpointState]


class EndpointSecret(Resource):
    """What an endpoint's callbacks are signed with. `expires_at`: when it ends, since another has taken its place."""

    secret: str
    created_at: Time
    expires_at: Time | None


class EndpointSecrets(Resource):
    """The secrets of an endpoint that hold, the newest first; each callback is signed with all of them."""

    secrets: list[EndpointSecret]


class CallbackAttempt(Resource):
    """One POST to an endpoint: its HTTP status and the beginning of its answer, or why there is none."""

    at: Time
    duration_ms: int
    status_code: int | None
    error: str | None
    excerpt: str


class CallbackState(Resource):
    """One event that an endpoint is told of.

    Attributes:
        event_id: the `webhook-id` it is told under; None: of a test, whose id is the callback's.
        status: `pending`, `delivered` or `failed` (given up).
        next_at: when it is tried, None if it rests.
        last: the last attempt.
    """

    id: Id
    event_id: Id | None
    sequence: int | None
    type: FeedType
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    created_at: Time
    next_at: Time | None
    done_at: Time | None
    last: CallbackAttempt | None


class CallbackPage(Resource):
    """A page of what an endpoint was told, the newest first. `next_cursor` is None on the last one."""

    callbacks: list[CallbackState]
    next_cursor: str | None


class CallbackLog(Resource):
    """Every attempt to tell an endpoint of one event, the first first."""

    attempts: list[CallbackAttempt]


class Replayed(Resource):
    """How many callbacks are told again."""

    replayed: int
