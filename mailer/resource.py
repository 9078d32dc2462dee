"""What the HTTP API answers: one model each, for API, OpenAPI and clients. What it takes is in mailer/request.py.

Times are aware, in UTC; on the wire RFC 3339 with milliseconds. A client ignores fields that it does not know, so new
ones may be added.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, PlainSerializer, WithJsonSchema

from mailer.clock import rfc3339
from mailer.delivery import DeliveryStatus, EnvelopeStatus, Lane, OnUnknown, Role
from mailer.outcome import Outcome
from mailer.schema import MOMENT, Says
from mailer.suppression import Reason

# Messages of one bulk request; of one page.
MOST_AT_ONCE = 500
MOST_OF_A_PAGE = 200
# Recipients that a list shows of each message.
SHOWN_RECIPIENTS = 10


Id = Annotated[str, Says(format="uuid")]
Time = Annotated[datetime, PlainSerializer(rfc3339, when_used="json"), WithJsonSchema(MOMENT)]


class Scope(StrEnum):
    """What a key may do. `admin` may do everything in its project.

    `ignore_suppressions`, beside `send`: hand over messages that go to suppressed addresses too.
    """

    SEND = "send"
    READ = "read"
    CONTENT = "content"
    EVENTS = "events"
    ENDPOINTS = "endpoints"
    SUPPRESSIONS = "suppressions"
    IGNORE_SUPPRESSIONS = "ignore_suppressions"
    ADMIN = "admin"


class Resource(pydantic.BaseModel):
    """Something that the API answers with."""

    model_config = ConfigDict(frozen=True)


class Accepted(Resource):
    """A message that is on disk now: from here on it is the service's responsibility."""

    id: Id
    status: EnvelopeStatus


class RecipientState(Resource):
    """What became of a message for one recipient.

    Attributes:
        reason: why nothing was sent to one that is `suppressed`; None for the others.
    """

    email: str
    role: Role
    status: DeliveryStatus
    reason: str | None = None


class AttemptState(Resource):
    """One call to one provider.

    Attributes:
        status_code: the provider's HTTP status; None while the call runs, or when no answer came.
        error: short code and the provider's own words, with addresses masked.
        possible_duplicate: whether an earlier attempt may have been taken already.
    """

    provider: str
    started_at: Time
    duration_ms: int | None
    status_code: int | None
    outcome: Outcome
    provider_message_id: str | None
    error: str | None
    possible_duplicate: bool


class MessageSummary(Resource):
    """A message as a list shows it.

    Attributes:
        recipients: the first ten.
        recipient_count: how many there are in all.
        provider: who was called last, None before the first attempt.
        test: sent with a test key: no provider delivers it.
    """

    id: Id
    status: EnvelopeStatus
    reason: str | None
    lane: Lane
    test: bool
    request_id: str
    created_at: Time
    updated_at: Time
    send_at: Time | None
    provider: str | None
    recipients: list[RecipientState]
    recipient_count: int


class MessageState(Resource):
    """What is known about a message.

    Attributes:
        status: the state of its sending; what became of people is in `recipients`.
        reason: why it rests or waits, None where all is well.
        next_attempt_at: when it is tried (again), None: at once, or never if it rests.
        possible_duplicates: how many attempts were made although an earlier one may have been taken.
        stream: what kind of mail it is, to be unsubscribed from; the lane's name where none was given.
        ignore_suppressions: whether it was to be sent to suppressed addresses too.
    """

    id: Id
    status: EnvelopeStatus
    reason: str | None
    lane: Lane
    stream: str
    ignore_suppressions: bool
    on_unknown: OnUnknown
    test: bool
    request_id: str
    created_at: Time
    updated_at: Time
    send_at: Time | None
    expires_at: Time
    next_attempt_at: Time | None
    possible_duplicate: bool
    possible_duplicates: int
    tags: list[str]
    metadata: dict[str, str]
    recipients: list[RecipientState]
    attempts: list[AttemptState]


class MessagePage(Resource):
    """A page of messages, the newest first. `next_cursor` is None on the last one."""

    messages: list[MessageSummary]
    next_cursor: str | None


class AttemptList(Resource):
    """Every attempt of a message, the first first."""

    attempts: list[AttemptState]


class Event(Resource):
    """Something that happened to a message: `accepted`, `rescheduled`, `canceled`, `replayed`, `conflict`, ..."""

    at: Time
    type: str
    detail: str


class EventList(Resource):
    """What happened to a message, in order of time."""

    events: list[Event]


class ProblemError(Resource):
    """One wrong field: a JSON pointer into what was sent (or the name of a parameter), a code, words for a person."""

    pointer: str
    code: str
    detail: str


class Problem(Resource):
    """A problem (RFC 9457). `type` resolves to a page that says what to do about it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    request_id: str | None = None
    detail: str | None = None
    errors: list[ProblemError] | None = None


class BulkResult(Resource):
    """What became of one message of a bulk request: `status` is 202 with an `id`, or that of its `problem`."""

    status: int
    id: Id | None = None
    problem: Problem | None = None


class BulkAnswer(Resource):
    """One result for each message, in the order of the request."""

    results: list[BulkResult]


class Health(Resource):
    """The process lives."""

    status: Literal["ok"]


class Readiness(Resource):
    """Whether work can be done; a part that is not `ok` says what is wrong with it."""

    status: Literal["ok", "unavailable"]
    database: str
    broker: str


class KeyState(Resource):
    """An API key. The key itself is shown once, when it is made.

    Attributes:
        prefix: its beginning, to be recognised by.
        last_used_at: to the minute.
    """

    id: Id
    name: str
    project: str
    prefix: str
    test: bool
    scopes: list[Scope]
    from_domains: list[str]
    networks: list[str]
    rate: str | None
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None


class KeyCreated(KeyState):
    """A new key with the one thing that is never shown again: `key`, the token itself."""

    key: str


class KeyList(Resource):
    """The keys of a project, the newest first; revoked ones too."""

    keys: list[KeyState]


class SuppressionState(Resource):
    """An address that is not mailed.

    Attributes:
        stream: where that holds; None: in every stream.
        source: who said so: a provider, `api`, `csv`, `cli`.
        detail: more about why, with addresses masked; may be empty.
    """

    id: Id
    email: str
    reason: Reason
    stream: str | None
    source: str
    detail: str
    created_at: Time


class SuppressionPage(Resource):
    """A page of suppressions, the newest first. `next_cursor` is None on the last one."""

    suppressions: list[SuppressionState]
    next_cursor: str | None


class SuppressionsAdded(Resource):
    """What became of a file of suppressions.

    Attributes:
        lines: how many there were, without the header.
        added: how many are new; the others were known, or stood in it twice.
    """

    lines: int
    added: int


def plain(resource: Resource) -> dict[str, Any]:
    """Return a resource as JSON-ready values."""
    return resource.model_dump(mode="json")
