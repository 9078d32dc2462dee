"""What can be read back from SendGrid: its lists of whom it does not mail. Its events are told once, by webhook.

There is an Email Activity API, for an additional price and without our ids; nothing is built on it.
Sources: https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-all-bounces and its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from mailer.ports import HttpResponse
from mailer.providers import answers, webhook
from mailer.source import Listed, Page, Source, Span
from mailer.suppression import Reason

REASONS = {
    "bounces": Reason.BOUNCED,
    "invalid_emails": Reason.BOUNCED,
    "spam_reports": Reason.COMPLAINED,
    "unsubscribes": Reason.UNSUBSCRIBED,
}
SOURCES = tuple(Source(name) for name in REASONS)

# Where an address is to be taken off, by the reason that is no more. `blocks` says nothing about an address, but once
# somebody says that it is good, nothing there shall stand in its way.
_REMOVALS = {
    Reason.BOUNCED: ("suppression/bounces", "suppression/blocks", "suppression/invalid_emails"),
    Reason.COMPLAINED: ("suppression/spam_reports",),
    Reason.UNSUBSCRIBED: ("asm/suppressions/global",),
}

_A_PAGE = 500


def path(source: str, span: Span, *, page: str | None) -> str:
    """Return the path of a page; `page` is what the one before it gave."""
    begin, end = int(span.since.timestamp()), int(span.until.timestamp())
    query = {"start_time": begin, "end_time": end, "limit": _A_PAGE, "offset": page or "0"}
    return f"suppression/{source}?{urlencode(query)}"


def read(source: str, response: HttpResponse, *, page: str | None) -> Page | None:
    """Return the page that a 200 carries; None if it is none."""
    data = answers.parse(response) if response.status == 200 else None
    if not isinstance(data, list):
        return None
    entries, bad = webhook.read("sendgrid", data, lambda item: _listed(REASONS[source], item))
    next = str(int(page or "0") + _A_PAGE) if len(data) == _A_PAGE else None
    return Page(listed=tuple(entries), bad=tuple(bad), next=next)


def removals(email: str, reason: Reason) -> tuple[str, ...]:
    """Return the paths to be deleted."""
    return tuple(f"{where}/{quote(email, safe='')}" for where in _REMOVALS.get(reason, ()))


def reset(response: HttpResponse, *, seconds: float) -> float | None:
    """Return in how many seconds its limit is lifted, which it says as a point in time; `seconds` is now."""
    said = response.headers.get("x-ratelimit-reset", "")
    return max(0.0, int(said[:12]) - seconds) if said.isascii() and said.isdigit() else None


def _listed(reason: Reason, item: Mapping[str, Any]) -> Listed:
    email = webhook.address(item.get("email"))
    if email is None:
        raise webhook.Malformed("has no address")
    return Listed(
        email=email.lower(), reason=reason, at=webhook.moment(item.get("created")),
        detail=webhook.detail(webhook.words(item.get("reason"))),
    )  # fmt: skip
