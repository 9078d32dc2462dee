"""Webhooks off for thousands of mails, then on: what reading back finds, and how long until every state is right."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import sqlalchemy as sa

from deploy.local.port import wait_until
from mailer.store import Database
from mailer.store.tables import deliveries, envelopes, events, suppressions
from tests.chaos.system import API_KEY, System
from tests.factories import fields
from tests.integration.nodes import ROOT

# Of twenty recipients through Mailgun one bounces, one complains, one unsubscribes.
_SPECIAL = {0: "bounce", 1: "complaint", 2: "unsubscribe"}
_BECOMES = {"bounce": "bounced", "complaint": "complained"}
_REASONS = {"bounce": "bounced", "complaint": "complained", "unsubscribe": "unsubscribed"}
_BULK = 500
# Mails that are sent when webhooks are on again.
_AFTERWARDS = 40
# Readings after which nobody waits any longer.
_MOST = 10


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What was found, and what was not.

    Attributes:
        before: events known when webhooks went on again.
        events: found by reading back, in so many pages.
        states_seconds: from webhooks on until every state was right; `seconds`: every suppression too.
        wrong: recipients through Mailgun in another state than became of them.
        missing: suppressions that are not there, of both providers.
        unread: recipients through SendGrid, whose states no list knows, still `accepted`.
        twice: events that are stored more than once.
    """

    mails: int
    before: int
    events: int
    pages: int
    states_seconds: float
    seconds: float
    wrong: int
    missing: int
    unread: int
    twice: int


def run(system: System, *, mails: int) -> Reconciliation:
    """Send so many mails through Mailgun, and a twentieth of that through SendGrid, while every webhook is lost."""
    system.sandbox.mend()
    system.sandbox.disturb(lost=True)
    special = [f"{_SPECIAL[n % 3]}+s{n}@example.com" for n in range(max(mails // 20, 3))]
    people = [f"{_SPECIAL.get(n % 20, 'bob')}+m{n}@example.com" for n in range(mails)]
    with _opened(system) as database:
        system.sandbox.fail("mailgun", mode="refuse")
        _send(system, special)
        _accepted(database, len(special))
        system.sandbox.mend()
        _send(system, people)
        _accepted(database, len(special) + len(people))
        time.sleep(2)  # the last ones are delivered
        before = _count(database, events)
        system.sandbox.disturb()
        begun = time.monotonic()
        # Of these the webhooks tell, and reading back must not tell again.
        afterwards = [f"{_SPECIAL.get(n % 20, 'bob')}+a{n}@example.com" for n in range(_AFTERWARDS)]
        _send(system, afterwards)
        people += afterwards
        found: list[dict[str, Any]] = []
        states_seconds, wrong, missing = 0.0, 0, 0
        for _ in range(_MOST):
            found += _read(system)
            wrong, missing = _wrong(database, people), _missing(database, [*people, *special])
            states_seconds = states_seconds or (0.0 if wrong else time.monotonic() - begun)
            if not wrong and not missing:
                break
            time.sleep(5)  # of who has unsubscribed the webhook has the first word, for a minute
        seconds = time.monotonic() - begun
        return Reconciliation(
            mails=mails, before=before, events=sum(r["new_events"] for r in found),
            pages=sum(r["pages"] for r in found), states_seconds=states_seconds, seconds=seconds, wrong=wrong,
            missing=missing, unread=_in_state(database, special, "accepted"), twice=_twice(database),
        )  # fmt: skip


def _send(system: System, people: list[str]) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    for start in range(0, len(people), _BULK):
        body = {"messages": [fields(to=address) for address in people[start : start + _BULK]]}
        answer = requests.post(f"{system.url}/v1/messages/bulk", json=body, headers=headers, timeout=60)
        assert answer.status_code < 300, answer.text


def _read(system: System) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "mailer", "reconcile", "--since", "6h", "--json"]
    done = subprocess.run(command, env=system.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    readings: list[dict[str, Any]] = json.loads(done.stdout)["readings"]
    return readings


def _accepted(database: Database, number: int) -> None:
    query = sa.select(sa.func.count()).select_from(envelopes).where(envelopes.c.status == "accepted")
    assert wait_until(lambda: _scalar(database, query) == number, timeout=60 + number / 10)


def _wrong(database: Database, people: list[str]) -> int:
    right = {address: _BECOMES.get(address.partition("+")[0], "delivered") for address in people}
    with database.read() as connection:
        query = sa.select(deliveries.c.email, deliveries.c.status)
        found = {row.email: row.status for row in connection.execute(query)}
    return sum(found.get(address) != state for address, state in right.items())


def _in_state(database: Database, people: list[str], state: str) -> int:
    mine = (deliveries.c.email.in_(people), deliveries.c.status == state)
    return _scalar(database, sa.select(sa.func.count()).select_from(deliveries).where(*mine))


def _missing(database: Database, people: list[str]) -> int:
    right = {(address, reason) for address in people if (reason := _REASONS.get(address.partition("+")[0]))}
    with database.read() as connection:
        query = sa.select(suppressions.c.email, suppressions.c.reason)
        found = {(row.email, row.reason) for row in connection.execute(query)}
    return len(right - found)


def _twice(database: Database) -> int:
    key = (events.c.envelope_id, events.c.recipient, events.c.raw_type)
    return _scalar(database, sa.select(sa.func.count()).select_from(
        sa.select(*key).where(events.c.provider != "mailer").group_by(*key).having(sa.func.count() > 1).subquery()
    ))  # fmt: skip


def _count(database: Database, table: sa.Table) -> int:
    return _scalar(database, sa.select(sa.func.count()).select_from(table))


def _scalar(database: Database, query: Any) -> int:
    with database.read() as connection:
        number: int = connection.execute(query).scalar_one()
        return number


@contextmanager
def _opened(system: System) -> Iterator[Database]:
    database = Database(system.environment["DATABASE_URL"])
    try:
        yield database
    finally:
        database.close()
