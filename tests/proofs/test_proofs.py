"""The proofs in a shorter form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailer.store import Database
from tests.chaos.system import System
from tests.proofs import cancel, events, idempotency, listing, reconciliation, telling
from tests.receiver import receiver


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Give a whole installation."""
    with System(slow_disk=False, environment={"WEB_CONCURRENCY": "2"}) as running:
        yield running


def test_of_many_requests_with_one_key_one_makes_the_message_and_nobody_gets_another_answer(system: System) -> None:
    crowd = idempotency.crowd(system, requests=40, processes=4)
    assert (crowd.messages, len(crowd.ids)) == (1, 1)
    assert set(crowd.answers) <= {"202", "replayed", "409"}
    assert crowd.answers["202"] == 1


def test_an_api_that_is_killed_leaves_no_key_locked_and_nothing_doubled(system: System) -> None:
    kills = idempotency.kills(system, times=3)
    assert kills.keys > 10
    assert (kills.stuck, kills.doubled) == ([], [])


def test_a_canceled_mail_is_never_sent_and_one_that_is_too_late_always(system: System) -> None:
    race = cancel.race(system, rounds=150)
    assert (race.canceled_and_sent, race.late_and_not_sent) == ([], [])
    assert set(race.said) == {200, 409}, "both happened"


def test_lists_are_read_by_their_indexes_and_a_walk_misses_nothing(postgres_url: str) -> None:
    database = Database(postgres_url)
    listing.fill(database, 30_000)
    for timing in listing.measure(database, 30_000, times=1):
        assert "Seq Scan on messages" not in timing.plan, timing
        assert "Seq Scan on deliveries" not in timing.plan, timing
    walk = listing.walk(database, messages=2_000)
    database.close()
    assert (walk.wanted, walk.missing, walk.twice) == (2_000, 0, 0)
    assert walk.arrived > 0


def test_states_are_right_though_every_webhook_was_lost() -> None:
    environment = {"MAILER_ROUTING": "failover:mailgun,sendgrid", "MAILER_RECONCILE_INTERVAL": "0"}
    with System(slow_disk=False, webhooks=True, environment=environment) as running:
        done = reconciliation.run(running, mails=60)
    assert (done.before, done.wrong, done.missing, done.twice) == (0, 0, 0, 0)
    assert done.events >= 120


def test_a_storm_under_kills_ends_as_an_ordered_run_does_and_everybody_is_told(postgres_url: str) -> None:
    reference = Database(postgres_url)
    with telling.installation() as running, receiver() as endpoint:
        done = events.storm(running, endpoint, reference, count=400, every=1.0)
    reference.close()
    assert sum(done.kills.values()) > 1
    assert (done.stored, done.missing, done.wrong) == (done.unique, 0, [])
    assert done.aside == done.broken
    assert (done.untold, done.forged) == (0, 0)
