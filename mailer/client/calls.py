"""Every call of the HTTP API, as a value: what is asked, and how the answer is read. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Generic, Literal, TypeVar, cast
from urllib.parse import quote

from mailer.client import answer
from mailer.client.body import encode, given, query
from mailer.client.error import UnreadableAnswer
from mailer.client.fields import KEEP, Conditions, Keep, MessageDict, MessageFields, Time
from mailer.client.snapshot import Snapshot, restored
from mailer.message import Message
from mailer.ports import HttpResponse
from mailer.resource import (
    Accepted,
    AttemptList,
    AttemptState,
    BulkAnswer,
    BulkResult,
    Event,
    EventList,
    KeyCreated,
    KeyList,
    KeyState,
    MessagePage,
    Scope,
)

T = TypeVar("T")
Parse = Callable[[Mapping[str, Any], Mapping[str, str]], T]

# Named here, since `list` is a method of the clients.
BulkResults = list[BulkResult]
Attempts = list[AttemptState]
Events = list[Event]
Keys = list[KeyState]
ScopeField = (
    Scope | Literal["send", "read", "content", "events", "endpoints", "suppressions", "ignore_suppressions", "admin"]
)
NetworkField = str | IPv4Network | IPv6Network

_MESSAGES = "/v1/messages"
_KEYS = "/v1/keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One call.

    Attributes:
        parse: from the JSON of a yes and its headers to the result.
        repeatable: whether doing it twice is the same as once. A call that is not is asked again only when it is
            certain that nothing was done.
    """

    method: str
    path: str
    parse: Parse[T]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = True

    def read(self, response: HttpResponse) -> T:
        """Return the result.

        Raises:
            InvalidMessage: every wrong field of a message.
            ServiceError: everything else that is no yes.
        """
        data = answer.content(response)
        try:
            return self.parse(data, response.headers)
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            # Not the fault's own text: it would show the values.
            text = f"answer {response.status} is not what was expected ({type(fault).__name__})"
            raise UnreadableAnswer(text, status=response.status) from None


def send(message: MessageFields, *, idempotency_key: str | None, request_id: str | None) -> Call[str]:
    """Hand a message over."""
    body = encode(given(cast("Mapping[str, object]", message)))
    return _post(_MESSAGES, lambda data, _: Accepted.model_validate(data).id, body, idempotency_key, request_id)


def bulk(messages: Sequence[MessageDict], *, idempotency_key: str | None, request_id: str | None) -> Call[BulkResults]:
    """Hand many over."""
    body = encode({"messages": [given(cast("Mapping[str, object]", message)) for message in messages]})
    return _post(
        f"{_MESSAGES}/bulk", lambda data, _: BulkAnswer.model_validate(data).results, body, idempotency_key, request_id
    )


def get(id: str) -> Call[Snapshot]:
    """Look at a message."""
    return Call(method="GET", path=_message(id), parse=Snapshot.of)


def page(conditions: Conditions, *, cursor: str | None) -> Call[MessagePage]:
    """List messages."""
    asked = query({**conditions, "cursor": cursor})
    return Call(method="GET", path=_MESSAGES + asked, parse=lambda data, _: MessagePage.model_validate(data))


def attempts(id: str) -> Call[Attempts]:
    """List a message's attempts."""
    return Call(
        method="GET", path=_message(id, "/attempts"), parse=lambda data, _: AttemptList.model_validate(data).attempts
    )


def events(id: str) -> Call[Events]:
    """List what happened to a message."""
    return Call(method="GET", path=_message(id, "/events"), parse=lambda data, _: EventList.model_validate(data).events)


def content(id: str) -> Call[Message]:
    """Read what was asked to be sent."""
    return Call(method="GET", path=_message(id, "/content"), parse=lambda data, _: restored(data))


def cancel(id: str, *, idempotency_key: str | None) -> Call[Snapshot]:
    """Keep a message from being sent."""
    return _post(_message(id, "/cancel"), Snapshot.of, b"", idempotency_key)


def reschedule(
    id: str, *, send_at: Time | Keep | None, expires_at: Time | None, if_match: str | None
) -> Call[Snapshot]:
    """Change when a message is sent."""
    change: dict[str, object] = {} if send_at is KEEP else {"send_at": send_at}
    change |= {} if expires_at is None else {"expires_at": expires_at}
    if not change:
        raise ValueError("reschedule needs send_at or expires_at")
    headers = {"If-Match": _visible(if_match, "if_match")} if if_match is not None else {}
    # Said twice, `send_at=None` is too late the second time, another's change between the two would be overwritten,
    # and with If-Match the second time fails because the first one did not.
    return Call(
        method="PATCH", path=_message(id), parse=Snapshot.of, headers=headers, body=encode(change), repeatable=False
    )


def create_key(
    *,
    name: str,
    scopes: Sequence[ScopeField],
    from_domains: Sequence[str],
    networks: Sequence[NetworkField],
    rate: str | None,
    expires_at: Time | None,
    test: bool,
    idempotency_key: str | None,
) -> Call[KeyCreated]:
    """Make an API key."""
    asked = given({
        "name": name, "scopes": list(scopes), "from_domains": list(from_domains), "networks": list(networks),
        "rate": rate, "expires_at": expires_at, "test": test,
    })  # fmt: skip
    return _post(_KEYS, lambda data, _: KeyCreated.model_validate(data), encode(asked), idempotency_key)


def keys() -> Call[Keys]:
    """List the API keys."""
    return Call(method="GET", path=_KEYS, parse=lambda data, _: KeyList.model_validate(data).keys)


def key(id: str) -> Call[KeyState]:
    """Look at an API key."""
    return Call(method="GET", path=_key(id), parse=lambda data, _: KeyState.model_validate(data))


def revoke_key(id: str, *, idempotency_key: str | None) -> Call[KeyState]:
    """End an API key."""
    return _post(_key(id, "/revoke"), lambda data, _: KeyState.model_validate(data), b"", idempotency_key)


def _post(
    path: str, parse: Parse[T], body: bytes, idempotency_key: str | None, request_id: str | None = None
) -> Call[T]:
    # One of our own where the caller gives none: it is what makes asking again safe.
    named = str(uuid.uuid4()) if idempotency_key is None else _visible(idempotency_key, "idempotency_key")
    headers = {"Idempotency-Key": named}
    if request_id:
        headers["X-Request-ID"] = _visible(request_id, "request_id")
    return Call(method="POST", path=path, parse=parse, body=body, headers=headers)


def _message(id: str, rest: str = "") -> str:
    return f"{_MESSAGES}/{_segment(id)}{rest}"


def _key(id: str, rest: str = "") -> str:
    return f"{_KEYS}/{_segment(id)}{rest}"


def _segment(id: str) -> str:
    # `.` and `..` would be another path.
    if not id.strip("."):
        raise ValueError(f"{id!r} is no id")
    return quote(id, safe="")


def _visible(value: str, name: str) -> str:
    if not 1 <= len(value) <= 255 or not all("!" <= character <= "~" for character in value):
        raise ValueError(f"{name} must be 1 to 255 visible ASCII characters")
    return value
