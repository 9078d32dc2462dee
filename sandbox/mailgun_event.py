"""Mailgun's Events API: `GET /v3/{domain}/events`, from the mails in the inbox.

One `accepted` event for each mail and recipient, at once; the real pages are complete only after about half an hour.
Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sandbox.inbox import Filter, Inbox

MAX_LIMIT = 300
DEFAULT_LIMIT = 100

_KNOWN = frozenset({"begin", "end", "ascending", "limit", "event", "message-id", "recipient"})
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class QueryError(ValueError):
    """A parameter is wrong; the text names it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins and which way it goes; travels in the paging addresses.

    Attributes:
        query: the parameters of the first page.
        after: the event (mail and position of the recipient) that the page begins behind; None for the first page.
        back: whether the page leads back, to what came before `after`.
    """

    query: Mapping[str, str]
    after: tuple[int, int] | None = None
    back: bool = False

    def token(self) -> str:
        """Return it as it stands in an address."""
        value = {"query": dict(self.query), "after": self.after, "back": self.back}
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode("ascii").rstrip("=")


def page(query: Mapping[str, str], token: str | None) -> Page:
    """Return the page that is asked for. Raises QueryError."""
    if token is None:
        return Page(query)
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return Page(value["query"], tuple(value["after"]) if value["after"] else None, bool(value["back"]))
    except (ValueError, KeyError, TypeError) as error:
        raise QueryError("page token is invalid") from error


def answer(inbox: Inbox, asked: Page, *, base: str) -> dict[str, Any]:
    """Return one page of events and the addresses of its neighbours. Raises QueryError.

    Args:
        base: the address of the first page, without parameters.
    """
    query = asked.query
    if unknown := sorted(query.keys() - _KNOWN):
        # A misspelt filter would otherwise find everything and make a test pass.
        raise QueryError(f"{', '.join(unknown)}: the sandbox knows {', '.join(sorted(_KNOWN))}")
    limit = _limit(query)
    ascending = _ascending(query) is not asked.back
    found = [event for _, event in zip(range(limit), _events(inbox, asked, ascending=ascending), strict=False)]
    if asked.back:
        found.reverse()
    first, last = (found[0][0], found[-1][0]) if found else (asked.after, asked.after)
    return {
        "items": [event for _, event in found],
        "paging": {
            "previous": f"{base}/{Page(query, first, back=True).token()}",
            "next": f"{base}/{Page(query, last).token()}",
            "first": f"{base}/{Page(query).token()}",
        },
    }


def _events(inbox: Inbox, asked: Page, *, ascending: bool) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    if "accepted" not in asked.query.get("event", "accepted").replace("(", " ").replace(")", " ").split():
        return  # nothing else ever happens to a mail here
    wanted = _filter(asked.query)
    if asked.after and ascending:
        wanted = replace(wanted, after=asked.after[0] - 1)
    elif asked.after:
        wanted = replace(wanted, before=asked.after[0] + 1)
    for mail in inbox.find(wanted, limit=MAX_LIMIT + 1, ascending=ascending):
        places = list(enumerate(p for role in ("to", "cc", "bcc") for p in mail[role]))
        for position, person in places if ascending else reversed(places):
            key = (mail["id"], position)
            if asked.after is None or (key > asked.after if ascending else key < asked.after):
                recipient = asked.query.get("recipient")
                if recipient is None or recipient.lower() == person["email"].lower():
                    yield key, _event(mail, position, person["email"])


def _filter(query: Mapping[str, str]) -> Filter:
    times = [time for name in ("begin", "end") if name in query and (time := _time(query, name))]
    message_id = query.get("message-id")
    return Filter(
        provider="mailgun",
        to=query.get("recipient"),
        provider_message_id=None if message_id is None else f"<{message_id.strip('<>')}>",
        # `begin` is later than `end` where the search goes back in time.
        since=min(times) if times and (len(times) == 2 or _ascending(query)) else None,
        until=max(times) if times and (len(times) == 2 or not _ascending(query)) else None,
    )


def _ascending(query: Mapping[str, str]) -> bool:
    if "ascending" in query:
        if query["ascending"] not in ("yes", "no"):
            raise QueryError("ascending: must be yes or no")
        return query["ascending"] == "yes"
    return "begin" in query and "end" in query and _time(query, "begin") < _time(query, "end")


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_LIMIT):
        raise QueryError(f"limit: must be from 1 to {MAX_LIMIT}")
    return int(text)


def _time(query: Mapping[str, str], name: str) -> datetime:
    """Return a time in epoch seconds or as RFC 2822 writes it."""
    text = query[name]
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        pass  # no number: the other form
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise QueryError(f"{name}: must be epoch seconds or an RFC 2822 time") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _event(mail: dict[str, Any], position: int, recipient: str) -> dict[str, Any]:
    key = f"sandbox-{mail['id']}-{position}"
    return {
        "event": "accepted",
        "id": key,
        "timestamp": (datetime.fromisoformat(mail["received_at"]) - _LONG_AGO).total_seconds(),
        "log-level": "info",
        "method": "HTTP",
        "envelope": {"targets": recipient, "transport": "smtp", "sender": mail["from"]["email"]},
        "flags": {"is-authenticated": True, "is-test-mode": False},
        "message": {
            "headers": {
                "to": ", ".join(_shown(p) for p in mail["to"]),
                "message-id": mail["provider_message_id"].strip("<>"),
                "from": _shown(mail["from"]),
                "subject": mail["subject"],
            },
            "attachments": [
                {"filename": a["filename"], "content-type": a["content_type"], "size": a["size"]}
                for a in mail["attachments"]
            ],
            "recipients": [p["email"] for role in ("to", "cc", "bcc") for p in mail[role]],
            "size": len(json.dumps(mail)),
        },
        "storage": {"url": f"https://sandbox.invalid/v3/messages/{mail['id']}", "key": key},
        "recipient": recipient,
        "recipient-domain": recipient.rpartition("@")[2],
        "campaigns": [],
        "tags": mail["tags"],
        "user-variables": mail["args"],
    }


def _shown(person: dict[str, str]) -> str:
    return f"{person['name']} <{person['email']}>" if person["name"] else person["email"]
