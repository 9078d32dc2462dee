"""What a program may write in a call, for its type checker: the fields of a message, and the conditions of a list.

The rules themselves are in mailer/message.py and mailer/resource.py, and the service checks them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, Literal, Required, TypedDict

from mailer.delivery import EnvelopeStatus, Lane, OnUnknown

Time = datetime | str
"""An aware datetime, or RFC 3339 text with an offset."""


class AddressDict(TypedDict, total=False):
    """A mailbox; `"Bob <bob@example.com>"` says the same."""

    email: Required[str]
    name: str | None


AddressField = str | AddressDict
Addresses = AddressField | Sequence[AddressField]


class AttachmentDict(TypedDict, total=False):
    """A file: `content` as bytes, or text that is base64 already. With `content_id` it is an inline image."""

    filename: Required[str]
    content: Required[bytes | str]
    content_type: str
    content_id: str | None


class MessageFields(TypedDict, total=False):
    """The fields of a message as keyword arguments: those of the HTTP body, with `from_` for `from`.

    What is None counts as left out. Where `from_` is left out, it is the service's `MAILER_FROM`.
    """

    from_: AddressField | None
    to: Required[Addresses]
    cc: Addresses | None
    bcc: Addresses | None
    reply_to: Addresses | None
    subject: Required[str]
    text: str | None
    html: str | None
    headers: Mapping[str, str] | None
    attachments: Sequence[AttachmentDict] | None
    tags: Sequence[str] | None
    metadata: Mapping[str, str] | None
    lane: Lane | Literal["transactional", "bulk"] | None
    stream: str | None
    ignore_suppressions: bool | None
    callback_url: str | None
    on_unknown: OnUnknown | Literal["failover", "wait", "fail"] | None
    send_at: Time | None
    expires_at: Time | None


# `from` is a word of Python's, so it cannot be written as a class.
_From = TypedDict("_From", {"from": AddressField | None}, total=False)


class MessageDict(MessageFields, _From, total=False):
    """A message as a dictionary, for `bulk`: `from` or `from_`."""


Status = Literal["scheduled", "queued", "sending", "accepted", "unknown", "failed", "canceled", "expired"]


class Conditions(TypedDict, total=False):
    """Which messages: every condition that is given must hold (see `mailer.resource.MessageQuery`).

    `since` and `until` are times of acceptance, from and before; `limit` is the size of a page, 1 to 200.
    """

    status: EnvelopeStatus | Status | None
    recipient: str | None
    tag: str | None
    provider: str | None
    request_id: str | None
    metadata_key: str | None
    metadata_value: str | None
    since: Time | None
    until: Time | None
    limit: int | None


class Keep(Enum):
    """The type of `KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Leave it as it is: None would mean something else."""
