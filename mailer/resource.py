"""What the HTTP API takes and answers beside the message itself: one model each, for API, OpenAPI and clients.

Times are aware, in UTC; on the wire RFC 3339 with milliseconds. A client ignores fields that it does not know, so new
ones may be added.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any

import pydantic
from pydantic import ConfigDict, Field, PlainSerializer

from mailer.address import Line, Text, domain
from mailer.clock import rfc3339
from mailer.delivery import DeliveryStatus, EnvelopeStatus, Lane, OnUnknown, Role
from mailer.message import Ahead, Message, Moment
from mailer.outcome import Outcome

# Messages of one bulk request; of one page.
MOST_AT_ONCE = 500
MOST_OF_A_PAGE = 200
# Recipients that a list shows of each message.
SHOWN_RECIPIENTS = 10

Time = Annotated[datetime, PlainSerializer(rfc3339, when_used="json")]


Domain = Annotated[Line, Field(min_length=1, max_length=253), pydantic.AfterValidator(domain)]


class Scope(StrEnum):
    """What a key may do. `admin` may do everything in its project."""

    SEND = "send"
    READ = "read"
    CONTENT = "content"
    EVENTS = "events"
    ADMIN = "admin"


class Resource(pydantic.BaseModel):
    """Something that the API answers with."""

    model_config = ConfigDict(frozen=True)


class Accepted(Resource):
    """A message that is on disk now: from here on it is the service's responsibility."""

    id: str
    status: EnvelopeStatus


class RecipientState(Resource):
    """What became of a message for one recipient."""

    email: str
    role: Role
    status: DeliveryStatus


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

    id: str
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
    """

    id: str
    status: EnvelopeStatus
    reason: str | None
    lane: Lane
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


class Alive(Resource):
    """The process lives."""

    status: str


class Readiness(Resource):
    """Whether the service can do its work: `ok`, or what is wrong with each part."""

    status: str
    database: str
    broker: str


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
    id: str | None = None
    problem: Problem | None = None


class BulkAnswer(Resource):
    """One result for each message, in the order of the request."""

    results: list[BulkResult]


class Request(pydantic.BaseModel):
    """Something that the API takes: what is unknown is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class BulkRequest(Request):
    """Up to 500 different messages, stored in one transaction; each is accepted or refused for itself."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_AT_ONCE)]


class MessageQuery(Request):
    """Which messages, the newest first; every condition that is given must hold.

    Attributes:
        recipient: an address, without regard to case.
        provider: one that was called for it.
        since, until: when it was accepted, from and before.
        metadata_value: together with `metadata_key`.
        cursor: `next_cursor` of the page before, with the same conditions.
    """

    status: EnvelopeStatus | None = None
    recipient: Annotated[Line, Field(min_length=3, max_length=320)] | None = None
    tag: Annotated[Line, Field(min_length=1, max_length=128)] | None = None
    provider: Annotated[Line, Field(min_length=1, max_length=32)] | None = None
    request_id: Annotated[Line, Field(min_length=1, max_length=128)] | None = None
    metadata_key: Annotated[Line, Field(min_length=1, max_length=64)] | None = None
    metadata_value: Annotated[Text, Field(max_length=4096)] | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_OF_A_PAGE)] = 50
    cursor: Annotated[str, Field(max_length=500)] | None = None


class ScheduleChange(Request):
    """What may be changed of a message until a worker has taken it. What is left out stays as it is.

    Attributes:
        send_at: when to send it; null: now.
        expires_at: when to stop trying.
    """

    send_at: Ahead | None = None
    expires_at: Ahead | None = None


class ProjectRules(Request):
    """What holds for all keys and calls of a project.

    Attributes:
        from_domains: the domains that it may send from, and their subdomains; none: any.
    """

    from_domains: Annotated[list[Domain], Field(max_length=100)] = []


class KeyRequest(Request):
    """A key to be made, in the project of the key that asks.

    Attributes:
        scopes: what it may do.
        from_domains: the domains that it may send from, and their subdomains; empty: those of its project.
        networks: the networks that it may be used from; empty: any.
        rate: requests, e.g. `600/minute`; None: the service's default.
        expires_at: when it ends by itself.
        test: its messages only ever reach the sandbox or the providers' own test modes.
    """

    name: Annotated[Line, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    from_domains: Annotated[list[Domain], Field(max_length=100)] = []
    networks: Annotated[list[IPv4Network | IPv6Network], Field(max_length=100)] = []
    rate: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")] | None = None
    expires_at: Ahead | None = None
    test: bool = False


class KeyState(Resource):
    """An API key. The key itself is shown once, when it is made.

    Attributes:
        prefix: its beginning, to be recognised by.
        last_used_at: to the minute.
    """

    id: str
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


def plain(resource: Resource) -> dict[str, Any]:
    """Return a resource as JSON-ready values."""
    return resource.model_dump(mode="json")
