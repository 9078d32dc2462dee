"""What the HTTP API takes beside the message itself: one model each, for API, OpenAPI and clients.

What is unknown is refused by name.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mailer import limits
from mailer.address import Email, Line, Text, domain
from mailer.delivery import EnvelopeStatus
from mailer.event import FeedType
from mailer.message import Ahead, Message, Moment, StreamName
from mailer.resource import MOST_AT_ONCE, MOST_OF_A_PAGE, Scope
from mailer.schema import OrElse, Says
from mailer.suppression import WHOLE, Reason

# Characters of a suppression's detail.
MOST_DETAIL = 300


def _text(value: object) -> object:
    if isinstance(value, int | bytes):
        raise PydanticCustomError("string_type", "must be text")
    return value


# Text only: a number would be an address to ipaddress.
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_text)]
# The schema is narrower than what is taken: international domains cannot be told by a pattern.
Domain = Annotated[
    Line,
    Field(min_length=1, max_length=253),
    pydantic.AfterValidator(domain),
    Says(pattern=r"^([a-z0-9]{1,20}\.){1,3}[a-z]{3,10}$"),
]


def _types(value: object) -> object:
    names = value.split(",") if isinstance(value, str) else value
    known = {t.value for t in FeedType}
    if not isinstance(names, list) or not set(names) <= known:
        raise PydanticCustomError("types", f"must be one or more of {', '.join(sorted(known))}, parted by commas")
    return names


FeedTypes = Annotated[
    list[FeedType],
    BeforeValidator(_types, json_schema_input_type=str),
    Says(type="string", pattern=f"^({'|'.join(FeedType)})(,({'|'.join(FeedType)}))*$"),
]


class Request(pydantic.BaseModel):
    """Something that the API takes: what is unknown is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PageQuery(Request):
    """Which page of a list.

    Attributes:
        cursor: `next_cursor` of the page before, with the same conditions.
    """

    limit: Annotated[int, Field(ge=1, le=MOST_OF_A_PAGE)] = 50
    cursor: Annotated[str, Field(max_length=500)] | None = None


class BulkRequest(Request):
    """Up to 500 different messages, stored in one transaction; each is accepted or refused for itself."""

    # What is no message is answered in its place, and stops none of the others.
    messages: Annotated[
        list[Annotated[Message, OrElse("Whatever else: its result says what is wrong with it.")]],
        Field(min_length=1, max_length=MOST_AT_ONCE),
    ]


class MessageQuery(PageQuery):
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


class SuppressionQuery(PageQuery):
    """Which suppressions, the newest first; every condition that is given must hold.

    Attributes:
        email: an address, without regard to case; `*@example.com`: every one at that domain.
        stream: exactly; empty: those that hold in every stream.
        cursor: `next_cursor` of the page before, with the same conditions.
    """

    email: Annotated[Line, Field(min_length=3, max_length=320)] | None = None
    reason: Reason | None = None
    stream: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")] | None = None


class SuppressionRequest(Request):
    """An address that is not to be mailed any more.

    Attributes:
        stream: where it holds: a lane's name or a named stream; null: in every stream. `bounced` and `complained` are
            about the address itself, and hold in every stream.
        detail: more about why, for people.
    """

    email: Annotated[Email, pydantic.AfterValidator(str.lower)]
    reason: Reason = Reason.MANUAL
    stream: Annotated[StreamName | None, Field(validate_default=True)] = None
    detail: Annotated[Line, Field(max_length=MOST_DETAIL)] = ""

    @pydantic.field_validator("stream")
    @classmethod
    def _whole(cls, stream: str | None, info: pydantic.ValidationInfo) -> str | None:
        reason = info.data.get("reason")
        if stream is not None and reason in WHOLE:
            raise PydanticCustomError("stream", "must be left out: {reason} holds in every stream", {"reason": reason})
        return stream


class ScheduleChange(Request):
    """What may be changed of a message until a worker has taken it. What is left out stays as it is.

    Attributes:
        send_at: when to send it; null: now.
        expires_at: when to stop trying.
    """

    send_at: Ahead | None = None
    expires_at: Ahead | None = None


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
    networks: Annotated[list[Network], Field(max_length=100)] = []
    rate: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")] | None = None
    expires_at: Ahead | None = None
    test: pydantic.StrictBool = False


CallbackUrl = Annotated[Line, Field(min_length=1, max_length=limits.URL), Says(format="uri")]


class EndpointRequest(Request):
    """Where the application wants to be told what became of its messages.

    Attributes:
        url: https, on an address of the public internet.
        types: what it is told of; empty: everything.
        per_message: only of messages whose `callback_url` lies at or below `url`.
    """

    url: CallbackUrl
    description: Annotated[Line, Field(max_length=200)] = ""
    types: Annotated[list[FeedType], Field(max_length=len(FeedType))] = []
    per_message: pydantic.StrictBool = False


class EndpointChange(Request):
    """What is to be changed of an endpoint; what is left out stays as it is.

    Attributes:
        enabled: false: it is called no more, nothing is kept for it; true: it is called at once, whatever was before.
    """

    url: CallbackUrl | None = None
    description: Annotated[Line, Field(max_length=200)] | None = None
    types: Annotated[list[FeedType], Field(max_length=len(FeedType))] | None = None
    enabled: pydantic.StrictBool | None = None


class ReplayRequest(Request):
    """Events that an endpoint is to be told of (again): those that came from `since` on and before `until`."""

    since: Moment
    until: Moment


class CallbackQuery(PageQuery):
    """What an endpoint was told, the newest first."""

    status: Literal["pending", "delivered", "failed"] | None = None


class FeedQuery(Request):
    """A part of the feed, the oldest first.

    Attributes:
        after: the `after` of the part before; 0: from the first event on.
        types: names of types, parted by commas; all where it is left out.
    """

    after: Annotated[int, Field(ge=0, le=2**62)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    types: FeedTypes | None = None


class StreamQuery(Request):
    """What of the feed a stream tells.

    Attributes:
        after: the place that it begins behind; left out: now.
        types: names of types, parted by commas; all where it is left out.
    """

    after: Annotated[int, Field(ge=0, le=2**62)] | None = None
    types: FeedTypes | None = None
