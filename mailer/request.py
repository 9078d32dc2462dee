"""What the HTTP API takes beside the message itself: one model each, for API, OpenAPI and clients.

What is unknown is refused by name.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mailer.address import Email, Line, Text, domain
from mailer.delivery import EnvelopeStatus
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
