"""What is made of JSON Schema alone, brought to keep the rules that JSON Schema has no words for. Each says which."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from mailer import limits
from mailer.address import Address, parse

Fields = dict[str, Any]

_PEOPLE = ("to", "cc", "bcc", "reply_to")


def message(body: Fields) -> Fields:
    """Return the fields of a message that the service accepts, as near to these as can be."""
    repaired = dict(body)
    for rule in (_addresses, _headers, _tags, _metadata, _content_ids, _times, _callback_url):
        rule(repaired)
    return repaired


def bulk(body: Fields) -> Fields:
    """Return a bulk request of such messages."""
    return {**body, "messages": [message(item) if isinstance(item, dict) else item for item in body["messages"]]}


def headers(given: MutableMapping[str, str]) -> None:
    """An Idempotency-Key is new for each request; which ETag something has is known only to whoever has seen it."""
    if "Idempotency-Key" in given:
        given["Idempotency-Key"] = uuid.uuid4().hex
    given.pop("If-Match", None)


def query(given: Fields) -> Fields:
    """A cursor was answered before, to the same question; a value goes with its key."""
    drop = {"cursor"} if "metadata_key" in given else {"cursor", "metadata_value"}
    return {name: value for name, value in given.items() if name not in drop}


def moments(body: Fields) -> Fields:
    """Return a body whose times are in the future."""
    repaired = dict(body)
    _times(repaired)
    return repaired


def suppression(body: Fields) -> Fields:
    """A bounce or a complaint is about every stream."""
    whole = body.get("reason") in ("bounced", "complained")
    return {name: value for name, value in body.items() if not (whole and name == "stream")}


def lines(body: str) -> str:
    """Return a file with a header; whatever was made stands in its one line, as far as that is a word about it."""
    said = "".join(character for character in body if character.isalnum())[:50]
    return f"email,detail\r\nbob@example.com,{said}\r\n"


def endpoint(body: Fields) -> Fields:
    """A callback goes to the public internet, over https."""
    return {**body, "url": "https://hooks.example.com/mail"} if body.get("url") is not None else body


def _callback_url(body: Fields) -> None:
    """It lies below an endpoint that was registered before."""
    body.pop("callback_url", None)


def _times(body: Fields) -> None:
    """Times lie in the future, and a message does not expire before it is sent: JSON Schema knows no now, no order."""
    now = datetime.now(UTC)
    for name, ahead in (("send_at", 1), ("expires_at", 25)):
        if body.get(name) is not None:
            body[name] = (now + timedelta(hours=ahead)).isoformat()


def _addresses(body: Fields) -> None:
    """An address can be mailed (no special-use domain), and is given once over all lists; at most 1,000 of them."""
    seen: set[str] = set()
    fresh = (f"u{n}@example.com" for n in count())
    if body.get("from") is not None:
        body["from"] = _address(body["from"], set(), fresh)
    for name in _PEOPLE:
        if body.get(name) is None:
            continue
        known = set() if name == "reply_to" else seen
        several = isinstance(body[name], list)
        given = body[name][: limits.RECIPIENTS // 4] if several else [body[name]]
        found = [_address(who, known, fresh) for who in given]
        body[name] = found if several else found[0]


def _address(who: Any, known: set[str], fresh: Iterator[str]) -> Any:
    try:
        key = Address.model_validate(parse(who)).key
    except ValueError:
        key = ""
    if not key or key in known:
        key = next(fresh)
        who = {**who, "email": key} if isinstance(who, dict) else key
    known.add(key)
    return who


def _headers(body: Fields) -> None:
    """Names are unique without regard to case; with tags and reply_to they fit into 14,000 bytes."""
    given = body.get("headers") or {}
    once = {name.lower(): name for name in given}
    fits = _fitting(once.values(), lambda name: len(name) + len(given[name].encode()), 6_000)
    if given:
        body["headers"] = {name: given[name] for name in fits}


def _tags(body: Fields) -> None:
    """Tags are unique without regard to case."""
    if body.get("tags"):
        body["tags"] = [*{tag.lower(): tag for tag in body["tags"]}.values()]


def _metadata(body: Fields) -> None:
    """All of it has at most 4,096 bytes as JSON."""
    given = body.get("metadata") or {}
    fits = _fitting(given, lambda key: len(json.dumps([key, given[key]], ensure_ascii=False).encode()) + 2, 4_090)
    if given:
        body["metadata"] = {key: given[key] for key in fits}


def _content_ids(body: Fields) -> None:
    """A content_id is used once."""
    seen: set[str] = set()
    for file in body.get("attachments") or ():
        if (given := file.get("content_id")) in seen and given:
            file.pop("content_id")
        seen.add(given or "")


def _fitting(items: Any, size: Callable[[Any], int], most: int) -> Iterator[Any]:
    left = most
    for item in items:
        left -= size(item)
        if left >= 0:
            yield item
