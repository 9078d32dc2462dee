"""The mails that were taken in, newest first."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.database import Database
from sandbox.mail import Mail

# A copy is the same envelope to the same people: the mails that one batch is cut into are none.
_COPY = """
    case when m.envelope_id is null then 1 else (
        select count(*) from mail o
        where o.envelope_id = m.envelope_id and o.recipients = m.recipients {until}
    ) end
"""
_COLUMNS = f"m.*, {_COPY.format(until='and o.id <= m.id')} as copy, {_COPY.format(until='')} as copies"
_LONG = ("text", "html", "headers", "args", "request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which mails; None leaves a field open. `after` and `before` are ids, both exclusive; the times are not."""

    envelope_id: str | None = None
    to: str | None = None
    subject: str | None = None
    provider: str | None = None
    provider_message_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    before: int | None = None

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the SQL condition and its parameters."""
        conditions: list[tuple[str, object]] = [
            ("m.envelope_id = ?", self.envelope_id),
            # Recipients are stored as `\na@x\nb@y\n`, so that a whole address is found and no part of one.
            ("instr(m.recipients, ?) > 0", None if self.to is None else f"\n{self.to.lower()}\n"),
            ("m.subject = ?", self.subject),
            ("m.provider = ?", self.provider),
            ("m.provider_message_id = ?", self.provider_message_id),
            ("m.received_at >= ?", _stored(self.since)),
            ("m.received_at <= ?", _stored(self.until)),
            ("m.id > ?", self.after),
            ("m.id < ?", self.before),
        ]
        used = [(sql, value) for sql, value in conditions if value is not None]
        return " and ".join(sql for sql, _ in used) or "1", tuple(value for _, value in used)


class Inbox:
    """Stores mails and finds them again."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, mails: Sequence[Mail], answered: str) -> list[dict[str, Any]]:
        """Store the mails of one request in one transaction; return them as they are found again, but for the copies.

        Args:
            answered: what the caller was told: `accepted`, or the fault that kept it from knowing, e.g. `reset`.
        """
        now = self._clock().isoformat(timespec="milliseconds")
        with self._database.write() as connection:
            return [_insert(connection, mail, now, answered) for mail in mails]

    def find(self, wanted: Filter, *, limit: int, brief: bool = False, ascending: bool = False) -> list[dict[str, Any]]:
        """Return up to `limit` mails, newest first unless `ascending`; brief ones without bodies and the like."""
        condition, parameters = wanted.where()
        order = "asc" if ascending else "desc"
        sql = f"select {_COLUMNS} from mail m where {condition} order by m.id {order} limit ?"  # noqa: S608 - own text
        return [_as_dict(row, brief=brief) for row in self._database.read(sql, (*parameters, limit))]

    def get(self, mail_id: int) -> dict[str, Any] | None:
        """Return one mail."""
        rows = self._database.read(f"select {_COLUMNS} from mail m where m.id = ?", (mail_id,))  # noqa: S608 - constant
        return _as_dict(rows[0], brief=False) if rows else None

    def attachment(self, mail_id: int, position: int) -> tuple[str, str, bytes] | None:
        """Return filename, content type and bytes of the attachment at `position`, from 0."""
        rows = self._database.read(
            "select filename, content_type, content from attachment where mail_id = ? and position = ?",
            (mail_id, position),
        )
        return (rows[0]["filename"], rows[0]["content_type"], rows[0]["content"]) if rows else None

    def count(self, wanted: Filter) -> dict[str, Any]:
        """Return how many mails there are, in all and by provider, and of how many different envelopes."""
        condition, parameters = wanted.where()
        by_provider = self._database.read(
            f"select provider, count(*) as mails from mail m where {condition} group by provider",  # noqa: S608 - own text
            parameters,
        )
        envelopes = self._database.read(
            f"select count(distinct envelope_id) as envelopes from mail m where {condition}",  # noqa: S608 - own text
            parameters,
        )
        providers = {row["provider"]: row["mails"] for row in by_provider}
        return {
            "total": sum(providers.values()),
            "envelopes": envelopes[0]["envelopes"],
            "providers": {name: providers.get(name, 0) for name in ("sendgrid", "mailgun")},
        }

    def oldest(self) -> int | None:
        """Return the smallest id there is, by which a page learns that older ones were deleted."""
        oldest: int | None = self._database.read("select min(id) as oldest from mail")[0]["oldest"]
        return oldest

    def clear(self) -> int:
        """Delete every mail, return how many there were. Ids are not used again."""
        with self._database.write() as connection:
            return connection.execute("delete from mail").rowcount


def _stored(moment: datetime | None) -> str | None:
    """Return a time as the column holds it, so that text compares as time does."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _insert(connection: sqlite3.Connection, mail: Mail, now: str, answered: str) -> dict[str, Any]:
    content = mail.content()
    cursor = connection.execute(
        "insert into mail (provider, provider_message_id, received_at, envelope_id, subject, recipients, answered,"
        " content) values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            mail.provider,
            mail.provider_message_id,
            now,
            mail.envelope_id,
            mail.subject,
            "\n" + "".join(f"{address}\n" for address in mail.recipients),
            answered,
            # Plain ASCII: a lone surrogate (legal in JSON) has no UTF-8 and must not break the inbox.
            json.dumps(content),
        ),
    )
    connection.executemany(
        "insert into attachment (mail_id, position, filename, content_type, content) values (?, ?, ?, ?, ?)",
        [(cursor.lastrowid, n, a.filename, a.content_type, a.content) for n, a in enumerate(mail.attachments)],
    )
    known = {"id": cursor.lastrowid, "provider": mail.provider, "provider_message_id": mail.provider_message_id}
    return {**known, "received_at": now, **content}


def _as_dict(row: sqlite3.Row, *, brief: bool) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(row["content"])
    columns = ("id", "provider", "provider_message_id", "received_at", "envelope_id", "answered", "copy", "copies")
    shown = {key: value for key, value in content.items() if not (brief and key in _LONG)}
    return {**{name: row[name] for name in columns}, **shown}
