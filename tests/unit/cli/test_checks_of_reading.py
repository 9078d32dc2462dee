"""`doctor` says whether providers are read back, and who is silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from mailer import clock, ids
from mailer.silence import Silence
from mailer.store import Store
from mailer.store.reconciler import ReconcilerStore
from tests.unit.cli.conftest import Done
from tests.unit.cli.test_checks import found

Run = Callable[..., Done]


def test_a_reading_that_ran_long_ago_or_in_vain_is_a_warning(
    store: Store, run: Run, environment: dict[str, str]
) -> None:
    stored = ReconcilerStore(store.database)

    def read(ago: float, error: str | None = None) -> tuple[str, str]:
        at, turn = clock.now() - timedelta(seconds=ago), ids.new()
        assert stored.begin("sendgrid", turn_id=turn, until=at, now=at)
        stored.end("sendgrid", turn_id=turn, error=error, not_before=None, now=at)
        return found(run, "reconciliation")

    assert found(run, "reconciliation") == ("ok", "has not run yet, and is to run every 5 min ")
    assert read(20)[0] == "ok"
    level, words = read(7200)
    assert (level, "beat" in words) == ("warning", True)
    level, words = read(60, "403")
    assert (level, "sendgrid" in words, "403" in words) == ("warning", True, True)
    assert read(1)[0] == "ok"
    environment["MAILER_RECONCILE_INTERVAL"] = "0"
    assert found(run, "reconciliation")[0] == "warning"


def test_whoever_is_silent_is_named_with_since_when_and_how_many(store: Store, run: Run) -> None:
    stored, now = ReconcilerStore(store.database), clock.now()
    assert found(run, "silence")[0] == "ok"
    stored.note_silence(Silence(provider="mailgun", measured_at=now, usual_seconds=3.0, looked_at=99))
    assert found(run, "silence") == ("ok", "heard of 95 % of mails: mailgun within 3.0 s ")
    since = now - timedelta(hours=3)
    stored.note_silence(
        Silence(provider="sendgrid", measured_at=now, looked_at=50, unheard=49, oldest_at=since, silent_since=since)
    )
    level, words = found(run, "silence")
    assert level == "warning"
    assert "sendgrid since 3.0 h ago: nothing of 49 of 50 mails" in words
