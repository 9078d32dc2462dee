"""Checks of what providers tell: are they read back, and has one fallen silent."""

from __future__ import annotations

from cli.check import Check, Finding, ok, warning
from cli.output import ago, span
from mailer import clock
from mailer.errors import StoreUnavailable
from mailer.settings import Settings
from mailer.store import Store
from mailer.store.reconciler import ReconcilerStore

# A reading may take its time, and the worker's queue too.
_INTERVALS, _SLACK = 3, 60


def checks(settings: Settings, store: Store) -> list[Check]:
    """Return the checks."""
    stored = ReconcilerStore(store.database)
    return [
        Check("reconciliation", lambda: _reading(settings, stored)),
        Check("silence", lambda: _silence(stored)),
    ]


def _reading(settings: Settings, store: ReconcilerStore) -> Finding:
    name = "reconciliation"
    if not settings.reconcile_interval:
        return warning(name, "is switched off", "set MAILER_RECONCILE_INTERVAL, or use: python -m mailer reconcile")
    try:
        turns, now = store.turns(), clock.now()
    except StoreUnavailable:
        return warning(name, "unknown: the database does not answer, or is not migrated", "see database, revision")
    if failing := [t for t in turns if t.failing_since]:
        told = ", ".join(
            f"{t.provider} since {ago(t.failing_since, now)} ({t.error})" for t in failing if t.failing_since
        )
        return warning(
            name, f"cannot read {told}", "may its key read events and suppressions? what webhooks lose is lost"
        )
    late = _INTERVALS * settings.reconcile_interval + _SLACK
    read = [t.read_at for t in turns if t.read_at]
    interval = span(settings.reconcile_interval)
    if not read:
        # A system that has just been started; that its beat runs is what the sweep shows.
        return ok(name, f"has not run yet, and is to run every {interval}")
    if (now - min(read)).total_seconds() > late:
        return warning(
            name, f"ran {ago(min(read), now)}, and is to run every {interval}",
            "beat or the worker of mail.events is not running",
        )  # fmt: skip
    return ok(name, f"ran {ago(min(read), now)}")


def _silence(store: ReconcilerStore) -> Finding:
    try:
        found, now = store.silences().values(), clock.now()
    except StoreUnavailable:
        return warning("silence", "unknown: the database does not answer, or is not migrated", "see database, revision")
    if silent := [s for s in found if s.silent_since]:
        told = "; ".join(
            f"{s.provider} since {ago(s.silent_since, now)}: nothing of {s.unheard} of {s.looked_at} mails"
            for s in silent
            if s.silent_since
        )
        return warning("silence", told, "look at its webhook settings and status page; MAILER_AVOID_SILENT=1 avoids it")
    usual = ", ".join(f"{s.provider} within {span(s.usual_seconds)}" for s in found if s.usual_seconds is not None)
    return ok("silence", f"heard of 95 % of mails: {usual}" if usual else "nobody is known to be silent")
