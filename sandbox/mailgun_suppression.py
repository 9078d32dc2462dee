"""Mailgun's lists: `GET /v3/{domain}/bounces`, `complaints`, `unsubscribes`, and one address of them.

Their pages are in the order of the addresses, and know no time.
Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/bounces and its neighbours
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from sandbox.suppression import Entry, Suppressions
from sandbox.wire import Answer, json_answer

PATH = re.compile(r"/v3/([^/]+)/(bounces|complaints|unsubscribes)(?:/(.+))?")

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

_KNOWN = frozenset({"limit", "page", "address", "term"})
_PAGES = ("first", "last", "next", "previous")
_MISSING = {
    "bounces": "Address not found in bounces table",
    "complaints": "No spam complaints found for this address",
    "unsubscribes": "Address not found in unsubscribers table",
}
_REMOVED = {
    "bounces": "Bounced address has been removed",
    "complaints": "Spam complaint has been removed",
    "unsubscribes": "Unsubscribe event has been removed",
}
# After every address.
_END = "\U0010ffff"


class QueryError(ValueError):
    """A parameter is wrong; the text names it."""


def answer(
    lists: Suppressions, method: str, name: str, address: str | None, query: Mapping[str, str], *, base: str
) -> Answer:
    """Answer a request for a list, or for one address of it.

    Args:
        base: the list's address, without parameters.

    Raises:
        QueryError: a parameter is wrong.
    """
    if address is None:
        return json_answer(200, _page(lists, name, query, base=base))
    if method == "DELETE":
        if not lists.delete("mailgun", name, address):
            return json_answer(404, {"message": _MISSING[name]})
        return json_answer(200, {"message": _REMOVED[name], "address": address})
    entry = lists.get("mailgun", name, address)
    return json_answer(404, {"message": _MISSING[name]}) if entry is None else json_answer(200, _item(name, entry))


def _page(lists: Suppressions, name: str, query: Mapping[str, str], *, base: str) -> dict[str, Any]:
    if unknown := sorted(query.keys() - _KNOWN):
        raise QueryError(f"{', '.join(unknown)}: the sandbox knows {', '.join(sorted(_KNOWN))}")
    limit, page, pivot = _limit(query), query.get("page", "first"), query.get("address")
    if page not in _PAGES or "term" in query:
        raise QueryError(f"page: must be one of {', '.join(_PAGES)}; the sandbox does not search by term")
    if (pivot is None) is (page in ("next", "previous")):
        raise QueryError("address: goes with page=next and page=previous, and with nothing else")
    before = {"last": _END, "previous": pivot}.get(page)
    found = lists.by_address("mailgun", name, limit=limit, after=pivot, before=before)
    first, last = (found[0].address, found[-1].address) if found else (pivot or "", pivot or "")

    def link(page: str, address: str | None = None) -> str:
        at = {} if address is None else {"address": address}
        return f"{base}?{urlencode({'page': page, **at, 'limit': limit})}"

    paging = {
        "first": link("first"), "last": link("last"), "next": link("next", last), "previous": link("previous", first),
    }  # fmt: skip
    return {"items": [_item(name, entry) for entry in found], "paging": paging}


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_LIMIT):
        raise QueryError(f"limit: must be from 1 to {MAX_LIMIT}")
    return int(text)


def _item(name: str, entry: Entry) -> dict[str, Any]:
    at = format_datetime(entry.since.astimezone(UTC).replace(tzinfo=None)).replace("-0000", "UTC")
    words: dict[str, dict[str, Any]] = {
        "bounces": {"code": "550", "error": f"5.1.1 <{entry.address}>: user unknown"},
        "unsubscribes": {"tags": ["*"]},
    }
    return {"address": entry.address, **words.get(name, {}), "created_at": at}
