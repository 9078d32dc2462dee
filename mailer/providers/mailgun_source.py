"""What can be read back from Mailgun: its Events API, and its lists of whom it does not mail.

Sources: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events and the pages of bounces,
complaints and unsubscribes beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mailer.ports import HttpResponse
from mailer.providers import answers, mailgun_event, webhook
from mailer.source import Listed, Page, Source, Span
from mailer.suppression import Reason

EVENTS = "events"
REASONS = {"bounces": Reason.BOUNCED, "complaints": Reason.COMPLAINED, "unsubscribes": Reason.UNSUBSCRIBED}

# The lists know no time: each reading goes through all of them. Their entries are events too, so there is no hurry.
SOURCES = (Source(EVENTS), *(Source(name, rest=3_600.0) for name in REASONS))

_EVENTS_A_PAGE = 300
_ADDRESSES_A_PAGE = 1_000


def path(source: str, span: Span, *, page: str | None) -> str:
    """Return the path of a page below the domain's; `page` is what the one before it gave.

    Of the paging addresses only what tells the page is followed: our key goes to no host that an answer names.
    """
    if source != EVENTS:
        return f"{source}?{page or urlencode({'limit': _ADDRESSES_A_PAGE})}"
    if page is not None:
        return f"{source}/{quote(page, safe='')}"
    begin, end = int(span.since.timestamp()), int(span.until.timestamp()) + 1
    return f"{source}?{urlencode({'begin': begin, 'end': end, 'ascending': 'yes', 'limit': _EVENTS_A_PAGE})}"


def read(source: str, span: Span, response: HttpResponse) -> Page | None:
    """Return the page that a 200 carries; None if it is none. An empty one is the end."""
    data = answers.parse(response) if response.status == 200 else None
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(items, list):
        return None
    next = _next(source, webhook.text(webhook.part(data, "paging").get("next"))) if items else None
    if source == EVENTS:
        events, bad = webhook.read(mailgun_event.PROVIDER, items, mailgun_event.event)
        return Page(events=tuple(events), bad=tuple(bad), next=next)
    entries, bad = webhook.read(mailgun_event.PROVIDER, items, lambda item: _listed(REASONS[source], item))
    lately = tuple(entry for entry in entries if span.since <= entry.at <= span.until)
    return Page(listed=lately, bad=tuple(bad), next=next)


def is_gone(response: HttpResponse) -> bool:
    """Tell whether an address is on the list no more: removed, or not found; a domain not found is something else."""
    data = answers.parse(response)
    words = webhook.text(data.get("message")) if isinstance(data, dict) else ""
    # A wrong address answers 200 too ("Mailgun Magnificent API"), but not as JSON.
    return (response.status == 200 and bool(words)) or (response.status == 404 and "address" in words.lower())


def _next(source: str, address: str) -> str | None:
    found = urlsplit(address)
    return (found.path.rpartition("/")[2] if source == EVENTS else found.query) or None


def _listed(reason: Reason, item: Mapping[str, Any]) -> Listed:
    email = webhook.address(item.get("address"))
    if email is None:
        raise webhook.Malformed("has no address")
    return Listed(
        email=email.lower(), reason=reason, at=_moment(item.get("created_at")),
        detail=webhook.detail(webhook.words(item.get("error"))),
    )  # fmt: skip


def _moment(value: object) -> datetime:
    try:
        found = parsedate_to_datetime(webhook.text(value))
    except ValueError:
        raise webhook.Malformed("has no time") from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
