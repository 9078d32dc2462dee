"""Mailgun's Events API: `GET /v3/{domain}/events`, from the mails in the inbox.

The same events as the webhooks tell of, each as soon as it happened, also where none are sent or they are held back;
the real pages are complete only after about half an hour. They are ordered by mail, and within one by time.
Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from sandbox import mailgun_occurrence, mailgun_rule, story
from sandbox.inbox import Filter, Inbox
from sandbox.occurrence import Occurrence, occurrences

MAX_LIMIT = 300
DEFAULT_LIMIT = 100

_KNOWN = frozenset({"begin", "end", "ascending", "limit", "event", "message-id", "recipient"})
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# From taking a mail in to the last that happens to it.
_LONGEST = mailgun_rule.MAX_AHEAD + timedelta(seconds=story.LONGEST)


class QueryError(ValueError):
    """A parameter is wrong; the text names it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins and which way it goes; travels in the paging addresses.

    Attributes:
        query: the parameters of the first page.
        after: the event (mail and its number within the mail) that the page begins behind; None for the first page.
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
    now = datetime.now(UTC)
    for mail in _mails(inbox, asked, ascending=ascending):
        numbered = list(enumerate(occurrences(mail)))
        for number, occurrence in numbered if ascending else reversed(numbered):
            key = (mail["id"], number)
            if asked.after is None or (key > asked.after if ascending else key < asked.after):
                event = mailgun_occurrence.event(occurrence)
                if occurrence.at <= now and _is_wanted(asked.query, occurrence, event):
                    yield key, event


def _mails(inbox: Inbox, asked: Page, *, ascending: bool) -> Iterator[dict[str, Any]]:
    """Return every mail whose events may be asked for: not each of them need have one, so they are not limited."""
    wanted = _filter(asked.query)
    if asked.after:
        # The mail that the page begins in has more events.
        edge = asked.after[0]
        wanted = replace(wanted, after=edge - 1) if ascending else replace(wanted, before=edge + 1)
    while mails := inbox.find(wanted, limit=MAX_LIMIT, ascending=ascending):
        yield from mails
        last = mails[-1]["id"]
        wanted = replace(wanted, after=last) if ascending else replace(wanted, before=last)


def _is_wanted(query: Mapping[str, str], occurrence: Occurrence, event: Mapping[str, Any]) -> bool:
    since, until = _bounds(query)
    kinds = query.get("event", event["event"]).replace("(", " ").replace(")", " ").split()
    return (
        event["event"] in kinds
        and query.get("recipient", occurrence.recipient).lower() == occurrence.recipient.lower()
        and (since is None or occurrence.at >= since)
        and (until is None or occurrence.at <= until)
    )


def _filter(query: Mapping[str, str]) -> Filter:
    message_id = query.get("message-id")
    since, until = _bounds(query)
    return Filter(
        provider="mailgun",
        to=query.get("recipient"),
        provider_message_id=None if message_id is None else f"<{message_id.strip('<>')}>",
        # What happens to a mail happens after it was taken in, and not long after.
        since=since and max(since, _LONG_AGO) - _LONGEST,
        until=until,
    )


def _bounds(query: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """Return the earliest and the latest time; `begin` is later than `end` where the search goes back in time."""
    times = [time for name in ("begin", "end") if name in query and (time := _time(query, name))]
    if len(times) == 1:
        return (times[0], None) if _ascending(query) else (None, times[0])
    return (min(times), max(times)) if times else (None, None)


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
