"""SendGrid's lists: `GET /v3/suppression/{list}`, `DELETE /v3/suppression/{list}/{email}`.

Who has unsubscribed from everything is listed with them, and taken off at `/v3/asm/suppressions/global/{email}`.
Source: https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-all-bounces and its neighbours
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.sendgrid_problem import Problem
from sandbox.suppression import Entry, Suppressions

LIST = re.compile(r"/v3/suppression/(bounces|spam_reports|blocks|invalid_emails|unsubscribes)")
ENTRY = re.compile(r"/v3/suppression/(bounces|spam_reports|blocks|invalid_emails)/(.+)")
GLOBAL = re.compile(r"/v3/asm/suppressions/global/(.+)")

MAX_LIMIT = 500

_KNOWN = ("start_time", "end_time", "limit", "offset")
# The last second that a datetime can say.
_LATEST = 253_402_300_799


class QueryError(ValueError):
    """Parameters are wrong; carries every problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(p.message for p in problems))
        self.problems = problems


def listed(lists: Suppressions, name: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a page of a list, the latest first. Raises QueryError."""
    problems = [Problem(f"{n}: the sandbox knows {', '.join(_KNOWN)}", n) for n in query if n not in _KNOWN]
    numbers: dict[str, int] = {}
    most = {"start_time": _LATEST, "end_time": _LATEST, "limit": MAX_LIMIT, "offset": 10**9}
    for field in _KNOWN:
        text = query.get(field, {"end_time": str(_LATEST), "limit": str(MAX_LIMIT)}.get(field, "0"))
        if text.isascii() and text.isdecimal() and (field == "limit") <= int(text) <= most[field]:
            numbers[field] = int(text)
        else:
            problems.append(Problem(f"{field} must be a whole number, at most {most[field]}", field))
    if problems:
        raise QueryError(problems)
    since, until = (datetime.fromtimestamp(numbers[f], UTC) for f in ("start_time", "end_time"))
    # Its times are whole seconds: what happened within the last one is in it.
    until = until.replace(microsecond=999_000)
    found = lists.by_time("sendgrid", name, since=since, until=until, limit=numbers["limit"], offset=numbers["offset"])
    return [_item(name, entry) for entry in found]


def _item(name: str, entry: Entry) -> dict[str, Any]:
    words: dict[str, dict[str, Any]] = {
        "bounces": {"reason": f"550 5.1.1 <{entry.address}>: user unknown", "status": "5.1.1"},
        "blocks": {"reason": "550 5.7.1 client host [192.0.2.1] blocked using a blocklist", "status": "5.7.1"},
        "spam_reports": {"ip": "192.0.2.1"},
        "invalid_emails": {"reason": "Mail domain mentioned in email address is unknown"},
    }
    return {"created": int(entry.since.timestamp()), "email": entry.address, **words.get(name, {})}
