"""Whom a provider does not mail any more: its lists, filled by what happens to the mails of the inbox.

Also where no webhooks are sent or they are held back. An address is on a list from the moment it happened until it is
deleted from it, or the mail from the inbox; what happens to it later puts it there again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.database import Database
from sandbox.occurrence import occurrences
from sandbox.story import Kind

# Which list of which provider an event puts its recipient on.
LISTS: dict[str, dict[Kind, str]] = {
    "sendgrid": {
        "bounced": "bounces",
        "blocked": "blocks",
        "full": "blocks",
        "complained": "spam_reports",
        "unsubscribed": "unsubscribes",
    },
    "mailgun": {"bounced": "bounces", "complained": "complaints", "unsubscribed": "unsubscribes"},
}

_ON_IT = "select address, min(at) as since from listed where provider = ? and list = ? and at <= ?"


@dataclass(frozen=True, slots=True)
class Entry:
    """An address, in lower case, and since when it is on a list."""

    address: str
    since: datetime


class Suppressions:
    """The lists of both providers."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, mails: Sequence[Mapping[str, Any]]) -> None:
        """Note what will happen to these mails of the inbox; each address is listed when its time comes."""
        rows = [
            (mail["provider"], list_name, o.recipient.lower(), _stored(o.at), mail["id"])
            for mail in mails
            for o in occurrences(mail)
            if (list_name := LISTS[mail["provider"]].get(o.kind))
        ]
        if rows:
            with self._database.write() as connection:
                connection.executemany(
                    "insert into listed (provider, list, address, at, mail_id) values (?, ?, ?, ?, ?)", rows
                )

    def by_address(
        self, provider: str, name: str, *, limit: int, after: str | None = None, before: str | None = None
    ) -> list[Entry]:
        """Return up to `limit` in the order of their addresses: those after one, or the last ones before one."""
        way, order, pivot = ("<", "desc", before) if before is not None else (">", "asc", after or "")
        sql = f"{_ON_IT} and address {way} ? group by address order by address {order} limit ?"
        found = self._entries(sql, (*self._now_on(provider, name), pivot, limit))
        return found[::-1] if before is not None else found

    def by_time(
        self, provider: str, name: str, *, since: datetime, until: datetime, limit: int, offset: int
    ) -> list[Entry]:
        """Return up to `limit` that were listed between two times, both included, the latest first."""
        sql = (
            f"{_ON_IT} group by address having since >= ? and since <= ? order by since desc, address limit ? offset ?"
        )
        bounds = (_stored(since), _stored(until))
        return self._entries(sql, (*self._now_on(provider, name), *bounds, limit, offset))

    def get(self, provider: str, name: str, address: str) -> Entry | None:
        """Return one entry."""
        sql = f"{_ON_IT} and address = ? group by address"
        found = self._entries(sql, (*self._now_on(provider, name), address.lower()))
        return found[0] if found else None

    def delete(self, provider: str, name: str, address: str) -> bool:
        """Take an address off a list; tell whether it was there."""
        with self._database.write() as connection:
            gone = connection.execute(
                "delete from listed where provider = ? and list = ? and at <= ? and address = ?",
                (*self._now_on(provider, name), address.lower()),
            )
            return gone.rowcount > 0

    def _now_on(self, provider: str, name: str) -> tuple[str, str, str]:
        return provider, name, _stored(self._clock())

    def _entries(self, sql: str, parameters: tuple[object, ...]) -> list[Entry]:
        rows = self._database.read(sql, parameters)
        return [Entry(row["address"], datetime.fromisoformat(row["since"])) for row in rows]


def _stored(moment: datetime) -> str:
    """Return a time as the column holds it, so that text compares as time does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
