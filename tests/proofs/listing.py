"""Lists of millions of messages on PostgreSQL: how long typical questions take, by which plan; a walk meanwhile."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.delivery import EnvelopeStatus
from mailer.store import Database, bounded, mark
from mailer.store.intake import IntakeStore
from mailer.view import Place, Selection

# Statuses and providers as a service has them: nearly everything went well, through the first.
# Ids are sorted by time, as ours are.
_FILL = """
SET statement_timeout = 0;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET session_replication_role = replica;
INSERT INTO messages (id, project_id, request_id, lane, on_unknown, fingerprint, created_at, expires_at, test)
SELECT (lpad(to_hex(1767225600000 + n * 1000::bigint), 12, '0') || '7000a000' || lpad(to_hex(n), 12, '0'))::uuid,
       'default', 'r-' || n, 'transactional', 'failover', 'f', :begin + n * interval '1 second',
       :begin + n * interval '1 second' + interval '1 day', false FROM generate_series(1, :count) n;
INSERT INTO contents (message_id, project_id, content)
SELECT id, project_id, json_build_object('from', json_build_object('email', 'a@example.com'), 'text', 't')
FROM messages;
INSERT INTO envelopes (id, project_id, message_id, request_id, lane, status, route, attempts, possible_duplicates,
                       updated_at, created_at)
SELECT id, project_id, id, request_id, lane,
       CASE WHEN hashtext(request_id) % 10000 = 0 THEN 'failed' WHEN hashtext(request_id) % 1000 = 1 THEN 'expired'
            ELSE 'accepted' END,
       '["sendgrid","mailgun"]', 1, 0, created_at, created_at FROM messages;
INSERT INTO deliveries (envelope_id, position, project_id, email, role, status, updated_at, created_at)
SELECT id, 0, project_id, 'u' || abs(hashtext(request_id)) % 200000 || '@example.com', 'to', 'accepted', created_at,
       created_at FROM messages;
INSERT INTO attempts (id, project_id, envelope_id, number, round, provider, request_id, started_at, lease_until,
                      possible_duplicate, outcome, created_at)
SELECT id, project_id, id, 1, 0,
       CASE WHEN hashtext(request_id) % 500 = 0 THEN 'mailgun' ELSE 'sendgrid' END,
       request_id, created_at, created_at, false, 'accepted', created_at FROM messages;
INSERT INTO marks (project_id, mark, created_at, message_id)
SELECT project_id, :tag, created_at, id FROM messages WHERE hashtext(request_id) % 4 = 0;
INSERT INTO marks (project_id, mark, created_at, message_id)
SELECT project_id, :order, created_at, id FROM messages WHERE hashtext(request_id) % 100000 = 0;
"""
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def fill(database: Database, count: int) -> float:
    """Store so many messages as if they had been sent, and return how many seconds that took."""
    begun = time.monotonic()
    values = {"begin": _BEGIN, "count": count, "tag": mark.tag("invoice"), "order": mark.pair("order", "4711")}
    with database.engine.connect() as connection:
        bounded.without_limit(connection)
        for statement in filter(str.strip, _FILL.split(";")):
            known = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(sa.text(statement), known)
        connection.commit()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        bounded.without_limit(connection)
        connection.execute(sa.text("SET statement_timeout = 0"))
        connection.execute(sa.text("VACUUM ANALYZE"))
    return time.monotonic() - begun


def questions(count: int) -> dict[str, Selection]:
    """Return six typical ones, each as a page of 50, asked in the middle of the list."""
    middle = _BEGIN + timedelta(seconds=count // 2)
    place = Place(created_at=middle, id="ffffffff-ffff-ffff-ffff-ffffffffffff")
    return {
        "all, deep in the list": Selection(project_id="default", after=place),
        "status=failed": Selection(project_id="default", status=EnvelopeStatus.FAILED),
        "status=accepted, a time span": Selection(
            project_id="default", status=EnvelopeStatus.ACCEPTED, since=middle, until=middle + timedelta(hours=1)
        ),
        "recipient": Selection(project_id="default", recipient="u4711@example.com"),
        "tag, provider=mailgun": Selection(project_id="default", tag="invoice", provider="mailgun"),
        "metadata order=4711": Selection(project_id="default", metadata_key="order", metadata_value="4711"),
    }


@dataclass(frozen=True)
class Timing:
    """How long a question took, in milliseconds; how many it found; the plan's scans."""

    name: str
    p50: float
    p99: float
    rows: int
    plan: str


def measure(database: Database, count: int, *, times: int = 100) -> Iterator[Timing]:
    """Ask each question so often."""
    store = IntakeStore(database)
    for name, wanted in questions(count).items():
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            rows = len(store.listed(wanted))
            taken.append((time.perf_counter() - begun) * 1000)
        yield Timing(name, statistics.median(taken), sorted(taken)[int(times * 0.99) - 1], rows, plan(database, wanted))


def plan(database: Database, wanted: Selection) -> str:
    """Return the scans of the plan of a question, the driving one first."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        IntakeStore(database).listed(wanted)
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    statement, parameters = next(a for a in asked if "FROM messages" in a[0] or "JOIN" in a[0])
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql("EXPLAIN " + statement, parameters)  # type: ignore[arg-type]
        scans = [row[0].strip().removeprefix("->  ").partition("  (")[0] for row in rows if "Scan" in row[0]]
    return "; ".join(scan.replace(" using", "") for scan in scans)


@dataclass
class Walk:
    """A walk from page to page: how many were to be seen, missing, seen twice; how many came in meanwhile."""

    wanted: int
    missing: int = 0
    twice: int = 0
    arrived: int = 0
    seen: list[str] = field(default_factory=list, repr=False)


def walk(database: Database, *, messages: int = 10_000) -> Walk:
    """Walk over the newest so many, by pages of 200, while others arrive all the time."""
    store, ended = IntakeStore(database), threading.Event()
    with database.read() as connection:
        wanted = [row.id for row in connection.execute(_newest(messages))]
    done = Walk(len(wanted))

    def arrive() -> None:
        with database.engine.connect() as connection:
            while not ended.is_set():
                _arrive(connection)
                done.arrived += 1

    thread = threading.Thread(target=arrive)
    thread.start()
    left, place = set(wanted), None
    while left:
        page = store.listed(Selection(project_id="default", after=place, limit=200))
        done.seen += [line.id for line in page]
        left -= {line.id for line in page}
        if not page or page[-1].created_at < _BEGIN:
            break
        place = Place(created_at=page[-1].created_at, id=page[-1].id)
        if len(done.seen) > messages * 3:
            break
    ended.set()
    thread.join()
    done.missing = len(left)
    done.twice = len(done.seen) - len(set(done.seen))
    return done


def _newest(count: int) -> sa.TextClause:
    return sa.text("SELECT id::text AS id FROM messages ORDER BY created_at DESC, id DESC LIMIT :count").bindparams(
        count=count
    )


def _arrive(connection: Connection) -> None:
    """Store one more, accepted now."""
    connection.execute(sa.text(
        "WITH m AS (INSERT INTO messages (id, project_id, request_id, lane, on_unknown, fingerprint, created_at,"
        " expires_at, test) VALUES (gen_random_uuid(), 'default', 'new', 'transactional', 'failover', 'f', now(),"
        " now(), false) RETURNING id, created_at) INSERT INTO envelopes (id, project_id, message_id, request_id, lane,"
        " status, route, attempts, possible_duplicates, updated_at, created_at) SELECT id, 'default', id, 'new',"
        " 'transactional', 'queued', '[]', 0, 0, created_at, created_at FROM m"
    ))  # fmt: skip
    connection.commit()
