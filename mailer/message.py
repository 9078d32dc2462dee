"""The message: what an application asked to send, immutable and valid, or not built at all.

The one model behind the API, `.delay()` and the client. It holds to what *both* providers take (mailer/limits.py),
so that a failover never fails because the second provider could not take the message. Every wrong field is
reported at once: a rule that looks at several fields is checked with the last of them, on those that are valid.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any

import pydantic
from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from mailer import limits, problem, schema
from mailer.address import Address, AddressInput, Line, Text, Visible, parse
from mailer.attachment import Attachment
from mailer.delivery import Lane, OnUnknown, Role
from mailer.errors import InvalidMessage
from mailer.schema import Says

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _as_list(value: object) -> object:
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > limits.RECIPIENTS:
        # Before each of a million addresses is looked at.
        raise PydanticCustomError("too_many", f"has {len(items)} addresses, at most {limits.RECIPIENTS} are allowed")
    return items


def _moment(value: object) -> object:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _RFC3339.match(value)):
        raise PydanticCustomError("time", "must be an RFC 3339 time with an offset, e.g. 2026-11-24T12:00:00Z")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("time", "is no time in UTC") from None


def _ahead(moment: datetime, info: ValidationInfo) -> datetime:
    now = (info.context or {}).get("now")
    if now is not None and moment <= now:
        raise PydanticCustomError("past", "is in the past")
    return moment


def _header_name(name: str) -> str:
    if len(name) > limits.HEADER_NAME or not _HEADER_NAME.fullmatch(name):
        raise PydanticCustomError("header_name", "is not an ASCII header name")
    if name.lower() in limits.RESERVED_HEADERS or name.lower().startswith(limits.RESERVED_PREFIXES):
        raise PydanticCustomError("header_reserved", "is set by the service or the providers")
    return name


def _json_size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())


Body = Annotated[Text, Field(min_length=1)]
HeaderName = Annotated[
    str, pydantic.AfterValidator(_header_name), Says(pattern=schema.header_name(), maxLength=limits.HEADER_NAME)
]
HeaderValue = Annotated[Visible, Field(min_length=1, max_length=limits.HEADER_VALUE)]
MetadataKey = Annotated[Line, Field(min_length=1, max_length=64)]
_Several = (
    AddressInput
    | Annotated[
        list[AddressInput],
        Field(max_length=limits.RECIPIENTS),
        Says(uniqueItems=True, description="An address only once."),
    ]
)
Mailbox = Annotated[Address, BeforeValidator(parse, json_schema_input_type=AddressInput)]
Mailboxes = Annotated[tuple[Mailbox, ...], BeforeValidator(_as_list, json_schema_input_type=_Several)]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), pydantic.AfterValidator(_utc), Says(**schema.MOMENT)]
# Later than `now` of the validation's context, where that is given.
Ahead = Annotated[Moment, pydantic.AfterValidator(_ahead)]
# A kind of mail that people can unsubscribe from.
StreamName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Tag = Annotated[
    Visible,
    Field(min_length=1, max_length=limits.TAG, pattern=r"^[\x20-\x7e]+$"),
    Says(pattern=schema.ASCII_VISIBLE),
]


class Message(pydantic.BaseModel):
    """One email, as its application asked for it.

    Build it with `Message.build`, which raises `InvalidMessage` with every problem. Fields are those of the HTTP body.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sender: Annotated[Mailbox, Field(alias="from")]
    to: Annotated[Mailboxes, Field(min_length=1), schema.Items()]
    cc: Mailboxes = ()
    bcc: Annotated[Mailboxes, Field(validate_default=True)] = ()
    reply_to: Annotated[Mailboxes, Field(max_length=limits.REPLY_TO), schema.Items()] = ()
    subject: Annotated[Visible, Field(min_length=1, max_length=limits.SUBJECT)]
    text: Body | None = None
    html: Annotated[Body | None, Field(validate_default=True)] = None
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=limits.HEADERS), schema.Keys()] = {}
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=limits.ATTACHMENTS, validate_default=True)] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=limits.TAGS, validate_default=True), Says(uniqueItems=True)] = ()
    metadata: Annotated[dict[MetadataKey, Text], schema.Keys()] = {}
    lane: Lane = Lane.TRANSACTIONAL
    # None: the lane's name.
    stream: StreamName | None = None
    # Sent even to those who are suppressed.
    ignore_suppressions: pydantic.StrictBool = False
    # None: what the operator chose for the lane.
    on_unknown: OnUnknown | None = None
    send_at: Ahead | None = None
    expires_at: Ahead | None = None
    # Where its application is told what became of it, beside where it is told of all.
    callback_url: Annotated[Line, Field(min_length=1, max_length=limits.URL), Says(format="uri")] | None = None

    @classmethod
    def build(cls, fields: Mapping[str, object], *, now: datetime | None = None) -> Message:
        """Return the valid message, or raise `InvalidMessage` that names every wrong field.

        Args:
            fields: as in the HTTP body; from Python also bytes as an attachment's content. A field that is None
                counts as left out.
            now: the moment of acceptance; a `send_at` or `expires_at` not after it is refused. None where that was
                checked before.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        try:
            return cls.model_validate(given, context={"now": now})
        except pydantic.ValidationError as error:
            raise InvalidMessage(problem.problems(error, given)) from None

    @classmethod
    def restore(
        cls, content: Mapping[str, Any], *, people: Mapping[Role, tuple[Address, ...]], files: Iterable[Attachment]
    ) -> Message:
        """Return a message as it was accepted once, by the rules of then: those of today are for what comes in.

        Args:
            content: of `wire()`, without recipients and attachments.
            people: the recipients by role.
            files: the attachments.
        """
        given = dict(content)
        send_at, expires_at = given.pop("send_at", None), given.pop("expires_at", None)
        given |= {role.value: people.get(role, ()) for role in Role}
        return cls.model_construct(
            sender=Address.model_construct(**given.pop("from")),
            reply_to=tuple(Address.model_construct(**a) for a in given.pop("reply_to", ())),
            tags=tuple(given.pop("tags", ())),
            lane=Lane(given.pop("lane", Lane.TRANSACTIONAL)),
            on_unknown=OnUnknown(chosen) if (chosen := given.pop("on_unknown", None)) else None,
            send_at=datetime.fromisoformat(send_at) if send_at else None,
            expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
            attachments=tuple(files),
            **given,
        )

    @field_validator("bcc")
    @classmethod
    def _recipients_once(cls, bcc: tuple[Address, ...], info: ValidationInfo) -> tuple[Address, ...]:
        seen: set[str] = set()
        for role, addresses in (
            ("to", info.data.get("to", ())),
            ("cc", info.data.get("cc", ())),
            ("bcc", bcc),
        ):
            for index, address in enumerate(addresses):
                if address.key in seen:
                    at = f"/{role}/{index}"
                    raise PydanticCustomError(
                        "duplicate_recipient", "is a recipient of this message already", {"at": at}
                    )
                seen.add(address.key)
        if len(seen) > limits.RECIPIENTS:
            raise PydanticCustomError(
                "too_many",
                f"to, cc and bcc hold {len(seen)} addresses, at most {limits.RECIPIENTS} are allowed",
                {"at": ""},
            )
        return bcc

    @field_validator("reply_to")
    @classmethod
    def _reply_to_once(cls, reply_to: tuple[Address, ...]) -> tuple[Address, ...]:
        keys = [address.key for address in reply_to]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise PydanticCustomError("duplicate_address", "is given already", {"at": f"/reply_to/{index}"})
        return reply_to

    @field_validator("html")
    @classmethod
    def _some_content(cls, html: str | None, info: ValidationInfo) -> str | None:
        if html is None and info.data.get("text", "") is None:
            raise PydanticCustomError("no_content", "at least one of text and html is required", {"at": ""})
        return html

    @field_validator("headers")
    @classmethod
    def _headers_once(cls, headers: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()
        for name in headers:
            if name.lower() in seen:
                at = "/headers/" + problem.escape(name)
                raise PydanticCustomError("header_duplicate", "is given more than once", {"at": at})
            seen.add(name.lower())
        return headers

    @field_validator("attachments")
    @classmethod
    def _fits(cls, attachments: tuple[Attachment, ...], info: ValidationInfo) -> tuple[Attachment, ...]:
        ids = [a.content_id for a in attachments if a.content_id]
        if len(ids) != len(set(ids)):
            raise PydanticCustomError("duplicate_content_id", "content_id may be used only once")
        # As JSON, which is the longest form that a text takes on its way: a line break is two characters there.
        texts = [info.data.get(name) for name in ("subject", "text", "html")]
        people = [a for name in ("to", "cc", "bcc", "reply_to") for a in info.data.get(name, ())]
        size = sum(_json_size(t) for t in texts if t) + sum(a.encoded_size for a in attachments)
        size += sum(len(a.email) + _json_size(a.name or "") for a in people)
        if size > limits.MESSAGE:
            detail = f"the message has {size} bytes with base64, at most {limits.MESSAGE} are allowed"
            raise PydanticCustomError("too_large", detail, {"at": "/attachments" if attachments else ""})
        return attachments

    @field_validator("tags")
    @classmethod
    def _tags_once(cls, tags: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len({tag.lower() for tag in tags}) != len(tags):
            raise PydanticCustomError("duplicate_tag", "a tag may be given only once")
        headers: dict[str, str] = info.data.get("headers", {})
        size = sum(len(name) + len(value.encode()) for name, value in headers.items()) + sum(map(len, tags))
        size += sum(len(a.email) + len((a.name or "").encode()) + 8 for a in info.data.get("reply_to", ()))
        if size > limits.OPTIONS:
            detail = f"headers, tags and reply_to together may have {limits.OPTIONS} bytes"
            raise PydanticCustomError("too_large", detail, {"at": "/headers" if headers else "/reply_to"})
        return tags

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, str]) -> dict[str, str]:
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > limits.METADATA:
            raise PydanticCustomError("too_large", f"may have {limits.METADATA} bytes as JSON")
        return metadata

    @field_validator("expires_at")
    @classmethod
    def _after_its_time(cls, expires_at: datetime | None, info: ValidationInfo) -> datetime | None:
        send_at: datetime | None = info.data.get("send_at")
        if expires_at is not None and send_at is not None and expires_at <= send_at:
            raise PydanticCustomError("too_early", "must be after send_at")
        return expires_at

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> schema.Words:
        """Return the schema of what `build` takes, or of what `wire` returns."""
        found = handler.resolve_ref_schema(handler(core))
        return schema.as_built(found) if handler.mode == "validation" else found

    @property
    def in_stream(self) -> str:
        """The stream that it is part of."""
        return self.stream or self.lane.value

    def recipients(self) -> Iterator[tuple[Role, Address]]:
        """Yield every recipient with its role, in the order given."""
        for role, addresses in ((Role.TO, self.to), (Role.CC, self.cc), (Role.BCC, self.bcc)):
            for address in addresses:
                yield role, address

    def wire(self) -> dict[str, Any]:
        """Return the JSON form: the fields of the HTTP body, without those that were left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @cached_property
    def fingerprint(self) -> str:
        """A digest (SHA-256, hex) of everything that was asked for: same fingerprint, same request."""
        canonical = json.dumps(self.wire(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
