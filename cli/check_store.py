"""Checks of the database: does it answer, is it at this code's revision, and when did the sweep last run."""

from __future__ import annotations

from datetime import datetime

from cli.check import Check, Finding, failed, ok, warning
from cli.output import span
from mailer import clock, masking
from mailer.errors import StoreUnavailable
from mailer.settings import Settings
from mailer.store import Store, migrate

_MIGRATE = "run: python -m mailer migrate"
# Beat's tick, the queue's and the worker's own time, on top of some intervals.
_INTERVALS, _SLACK = 3, 10


def checks(settings: Settings, store: Store) -> list[Check]:
    """Return the checks."""
    return [
        Check("database", lambda: _database(settings, store)),
        Check("revision", lambda: _revision(store)),
        Check("sweep", lambda: _sweep(settings, store, clock.now())),
    ]


def _database(settings: Settings, store: Store) -> Finding:
    where = masking.text(settings.database)
    try:
        store.now()
    except StoreUnavailable as error:
        return failed("database", f"{where} does not answer ({error})", "start it, or correct DATABASE_URL")
    return ok("database", f"{where} answers")


def _revision(store: Store) -> Finding:
    try:
        known, current = migrate.revisions(), migrate.revision(store.database)
    except StoreUnavailable:
        return failed("revision", "unknown: the database does not answer", "see database")
    if current == known[0]:
        return ok("revision", f"{current}, this code's")
    if current is None:
        return failed("revision", "the database is empty", _MIGRATE)
    if current in known:
        return failed("revision", f"the database is at {current}, this code needs {known[0]}", _MIGRATE)
    return failed(
        "revision", f"the database is at {current}, newer than this code ({known[0]})",
        "deploy the newer code here too; do not migrate back",
    )  # fmt: skip


def _sweep(settings: Settings, store: Store, now: datetime) -> Finding:
    cure = "beat or the workers of mail.sweep are not running"
    try:
        swept = store.last_sweep()
    except StoreUnavailable:
        return failed("sweep", "unknown: the database does not answer, or is not migrated", "see database, revision")
    if swept is None:
        return failed("sweep", "never ran", cure)
    age = (now - swept.ran_at).total_seconds()
    if age > _INTERVALS * settings.sweep_interval + _SLACK:
        return failed("sweep", f"ran {span(age)} ago, and is to run every {span(settings.sweep_interval)}", cure)
    if swept.left.count:
        since = (
            f", the oldest due for {span((now - swept.left.oldest_at).total_seconds())}" if swept.left.oldest_at else ""
        )
        return warning("sweep", f"left {swept.left.count} for later{since}: the queues are full", "start more workers")
    return ok("sweep", f"ran {span(max(age, 0.0))} ago")
