"""The store on both databases: what is claimed, written, fenced and woken."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from deploy.local.postgres import PostgresCluster
from mailer import ids
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane, OnUnknown
from mailer.errors import StoreUnavailable
from mailer.ledger import Attempt, Breaker, Claim, Due, Move, Result, Submission, Work
from mailer.outcome import Outcome
from mailer.store import Database, Store, migrate
from mailer.store.tables import metadata
from tests.factories import NOW, message

I = EnvelopeInput  # noqa: E741 -- a table is read more easily in single letters
LEASE = NOW + timedelta(seconds=45)


def submission(**changed: Any) -> Submission:
    values: dict[str, Any] = {
        "id": ids.new(), "project_id": "default", "request_id": "req-1", "message": message(),
        "on_unknown": OnUnknown.FAILOVER, "created_at": NOW,
        "expires_at": NOW + timedelta(days=1), "wake_at": NOW + timedelta(seconds=60),
    }  # fmt: skip
    return Submission(**values | changed)


def woken(store: Store, *, limit: int, now: datetime, again_at: datetime) -> list[Due]:
    return store.wake(lane=Lane.TRANSACTIONAL, limit=limit, now=now, again_at=again_at)


def stored(store: Store, **changed: Any) -> Work:
    s = submission(**changed)
    store.submit([s])
    return store.load([s.id])[s.id]


def claim_for(work: Work, *, provider: str = "sendgrid", probes: tuple[Breaker, ...] = ()) -> Claim:
    seen = len(work.attempts)
    return Claim(
        id=work.id, project_id=work.project_id, request_id="req-1", created_at=work.created_at,
        route=("sendgrid", "mailgun"), seen=seen,
        attempt=Attempt(
            id=ids.new(), number=seen + 1, round=0, provider=provider, started_at=NOW, lease_until=LEASE,
            possible_duplicate=work.unknowns > 0,
        ),
        probes=probes,
    )  # fmt: skip


def result(claim: Claim, outcome: Outcome, move: EnvelopeInput, **changed: Any) -> Result:
    """Return what a worker writes after its call."""
    following = {name: changed.pop(name) for name in ("next_attempt_at", "wake_at") if name in changed}
    done = replace(claim.attempt, outcome=outcome, duration_ms=5, **changed)
    return Result(attempt=done, move=Move(id=claim.id, input=move, **following))


def claimed(store: Store) -> tuple[Work, Claim]:
    """Return an envelope that is being sent, and the claim on it."""
    work = stored(store)
    claim = claim_for(work)
    assert store.claim([claim], now=NOW) == {work.id}
    return work, claim


def given_up(store: Store, move: EnvelopeInput = I.RETRY) -> tuple[Work, Claim]:
    """Return an envelope whose attempt was given up as unknown when its lease was over, and that attempt's claim."""
    work, claim = claimed(store)
    store.record([result(claim, Outcome.UNKNOWN, move)], now=NOW)
    return work, claim


def status(store: Store, id: str) -> EnvelopeStatus:
    return store.load([id])[id].status


def test_a_message_comes_back_as_it_was_given(store: Store) -> None:
    given = message(
        to=["Bob <bob@example.com>", "eve@example.com"], cc="c@example.com", bcc="d@example.com", html="<p>ü</p>",
        headers={"X-A": "1"}, tags=["t"], metadata={"k": "v"}, lane="bulk", on_unknown="wait",
        attachments=[{"filename": "a.bin", "content": bytes(range(256)), "content_id": "c1"}],
    )  # fmt: skip
    work = stored(store, message=given)
    assert work.message == given
    assert [(r.role, r.address.email, r.address.name) for r in work.recipients] == [
        ("to", "bob@example.com", "Bob"), ("to", "eve@example.com", None),
        ("cc", "c@example.com", None), ("bcc", "d@example.com", None),
    ]  # fmt: skip
    assert work.status is EnvelopeStatus.QUEUED


def test_times_come_back_aware_and_unchanged(store: Store) -> None:
    odd = datetime.fromisoformat("2026-11-25T13:00:00.123456+05:30")
    assert stored(store, expires_at=odd).expires_at == odd


def test_storing_the_same_message_again_changes_nothing(store: Store) -> None:
    s = submission()
    assert store.submit([s]) == {s.id: s.message.fingerprint}
    store.claim([claim_for(store.load([s.id])[s.id])], now=NOW)
    assert store.submit([s]) == {s.id: s.message.fingerprint}
    assert status(store, s.id) is EnvelopeStatus.SENDING


def test_another_message_under_the_same_id_is_not_stored_and_shows(store: Store) -> None:
    s = submission()
    other = replace(s, message=message(subject="Something else"))
    store.submit([s])
    assert store.submit([other]) == {s.id: s.message.fingerprint}
    assert store.load([s.id])[s.id].message == s.message


def test_of_many_who_claim_at_once_one_wins(store: Store) -> None:
    work = stored(store)
    won: list[str] = []
    barrier = threading.Barrier(8)

    def race() -> None:
        mine = claim_for(work)
        barrier.wait()
        if store.claim([mine], now=NOW):
            won.append(mine.attempt.id)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = store.load([work.id])[work.id]
    assert len(won) == 1
    assert [a.id for a in after.attempts] == won
    assert after.attempt_id == won[0]


def test_a_claim_decided_on_old_knowledge_fails_even_if_the_envelope_is_queued_again(store: Store) -> None:
    work = stored(store)
    old = claim_for(work)
    first = claim_for(work)
    store.claim([first], now=NOW)
    store.record([result(first, Outcome.NOT_ACCEPTED, I.RETRY)], now=NOW)
    assert status(store, work.id) is EnvelopeStatus.QUEUED
    assert store.claim([old], now=NOW) == set()


def test_nothing_is_claimed_before_its_time(store: Store) -> None:
    work, first = claimed(store)
    later = NOW + timedelta(seconds=30)
    store.record([result(first, Outcome.NOT_ACCEPTED, I.RETRY, next_attempt_at=later)], now=NOW)
    again = claim_for(store.load([work.id])[work.id])
    assert store.claim([again], now=later - timedelta(seconds=1)) == set()
    assert store.claim([again], now=later) == {work.id}


@pytest.mark.parametrize(
    ("move", "envelope", "recipient"),
    [
        (I.ACCEPT, "accepted", "accepted"), (I.FAIL, "failed", "failed"), (I.EXPIRE, "expired", "expired"),
        (I.GIVE_UP, "unknown", "unknown"), (I.WAIT, "unknown", "unknown"), (I.RETRY, "queued", "queued"),
    ],
)  # fmt: skip
def test_an_outcome_moves_the_envelope_and_its_recipients(
    store: Store, move: EnvelopeInput, envelope: str, recipient: str
) -> None:
    work, mine = claimed(store)
    assert store.record([result(mine, Outcome.NOT_ACCEPTED, move)], now=NOW) == {work.id: move}
    view = store.view(work.id, project_id="default")
    assert view is not None
    assert (view.status, {r.status for r in view.recipients}) == (envelope, {recipient})


def test_recipients_follow_from_unknown_to_accepted(store: Store) -> None:
    work, first = claimed(store)
    store.record([result(first, Outcome.UNKNOWN, I.WAIT, next_attempt_at=NOW)], now=NOW)
    second = claim_for(store.load([work.id])[work.id])
    store.claim([second], now=NOW)
    store.record([result(second, Outcome.ACCEPTED, I.ACCEPT)], now=NOW)
    view = store.view(work.id, project_id="default")
    assert view is not None
    assert {r.status for r in view.recipients} == {"accepted"}
    assert view.possible_duplicates == 1


def test_a_worker_that_lost_its_claim_does_not_write_over_anothers(store: Store) -> None:
    work, slow = given_up(store)
    other = claim_for(store.load([work.id])[work.id], provider="mailgun")
    store.claim([other], now=NOW)
    # Now the slow one comes back with a no: nothing of the other's claim changes.
    assert store.record([result(slow, Outcome.REJECTED, I.FAIL)], now=NOW) == {}
    after = store.load([work.id])[work.id]
    assert (after.status, after.attempt_id) == (EnvelopeStatus.SENDING, other.attempt.id)
    assert after.attempts[0].outcome is Outcome.REJECTED, "what was learned is kept"


def test_an_outcome_moves_the_envelope_only_for_the_attempt_that_holds_its_claim(store: Store) -> None:
    work, mine = claimed(store)
    with store.database.write() as connection:  # nothing of ours does this; if something ever should, this holds
        connection.execute(sa.update(metadata.tables["envelopes"]).values(attempt_id=ids.new()))
    assert store.record([result(mine, Outcome.ACCEPTED, I.ACCEPT)], now=NOW) == {}
    assert status(store, work.id) is EnvelopeStatus.SENDING


def test_a_late_yes_stops_the_failover_that_has_not_gone_out(store: Store) -> None:
    work, slow = given_up(store)
    assert store.record([result(slow, Outcome.ACCEPTED, I.ACCEPT)], now=NOW) == {work.id: I.ACCEPT}
    assert status(store, work.id) is EnvelopeStatus.ACCEPTED


def test_a_late_yes_does_not_disturb_a_call_that_is_under_way(store: Store) -> None:
    work, slow = given_up(store)
    store.claim([claim_for(store.load([work.id])[work.id], provider="mailgun")], now=NOW)
    assert store.record([result(slow, Outcome.ACCEPTED, I.ACCEPT)], now=NOW) == {}
    after = store.load([work.id])[work.id]
    assert (after.status, after.attempts[0].outcome) == (EnvelopeStatus.SENDING, Outcome.ACCEPTED)


def test_an_answer_after_a_late_yes_ends_as_accepted_whatever_it_says(store: Store) -> None:
    work, slow = given_up(store)
    other = claim_for(store.load([work.id])[work.id], provider="mailgun")
    store.claim([other], now=NOW)
    store.record([result(slow, Outcome.ACCEPTED, I.ACCEPT)], now=NOW)
    assert store.record([result(other, Outcome.REJECTED, I.GIVE_UP)], now=NOW) == {work.id: I.ACCEPT}
    assert status(store, work.id) is EnvelopeStatus.ACCEPTED


def test_a_late_no_lets_an_envelope_go_on_that_rested_as_unknown(store: Store) -> None:
    work, slow = given_up(store, I.GIVE_UP)
    assert store.record([result(slow, Outcome.NOT_ACCEPTED, I.RETRY)], now=NOW) == {work.id: I.RETRY}
    assert status(store, work.id) is EnvelopeStatus.QUEUED
    view = store.view(work.id, project_id="default")
    assert view is not None
    assert view.recipients[0].status == "queued"


def test_a_late_unknown_changes_nothing_at_all(store: Store) -> None:
    work, slow = given_up(store, I.GIVE_UP)
    assert store.record([result(slow, Outcome.UNKNOWN, I.RETRY)], now=NOW) == {}
    assert status(store, work.id) is EnvelopeStatus.UNKNOWN


def test_a_late_no_changes_nothing_while_something_else_is_unknown(store: Store) -> None:
    work, slow = given_up(store)
    other = claim_for(store.load([work.id])[work.id], provider="mailgun")
    store.claim([other], now=NOW)
    store.record([result(other, Outcome.UNKNOWN, I.GIVE_UP)], now=NOW)
    assert store.record([result(slow, Outcome.NOT_ACCEPTED, I.RETRY)], now=NOW) == {}
    assert status(store, work.id) is EnvelopeStatus.UNKNOWN


def test_what_rests_as_unknown_can_be_neither_claimed_nor_put_off(store: Store) -> None:
    work, mine = claimed(store)
    store.record([result(mine, Outcome.UNKNOWN, I.GIVE_UP)], now=NOW)
    rested = store.load([work.id])[work.id]
    assert store.claim([claim_for(rested)], now=NOW) == set()
    assert not store.postpone(work.id, seen=1, until=NOW, wake_at=NOW, now=NOW)


def test_an_envelope_is_put_off_only_as_it_was_seen(store: Store) -> None:
    work = stored(store)
    assert not store.postpone(work.id, seen=1, until=LEASE, wake_at=LEASE, now=NOW)
    assert store.postpone(work.id, seen=0, until=LEASE, wake_at=LEASE, now=NOW)
    assert store.claim([claim_for(work)], now=NOW) == set()


def test_one_read_sees_one_moment(postgres_url: str) -> None:
    store = Store(Database(postgres_url))
    work = stored(store)
    with store.database.read() as connection:
        connection.execute(sa.select(metadata.tables["envelopes"]))
        store.claim([claim_for(work)], now=NOW)
        assert connection.execute(sa.select(metadata.tables["attempts"])).all() == []
    store.database.close()


def test_what_could_not_be_published_is_due_at_once_but_nothing_is_put_off(store: Store) -> None:
    work = stored(store)
    store.hasten([work.id], at=NOW)
    assert [d.id for d in woken(store, limit=10, now=NOW, again_at=NOW + timedelta(seconds=1))] == [work.id]
    store.hasten([work.id], at=LEASE)
    assert [d.id for d in woken(store, limit=10, now=NOW + timedelta(seconds=1), again_at=LEASE)] == [work.id]


def test_a_database_that_is_not_migrated_yet_is_waited_for(postgres: PostgresCluster) -> None:
    postgres.create_database("bare")
    bare = Store(Database(postgres.url("bare")))
    with pytest.raises(StoreUnavailable, match="not migrated"):
        bare.load([ids.new()])
    bare.database.close()
    postgres.drop_database("bare")


def test_an_outcome_is_written_once(store: Store) -> None:
    work, mine = claimed(store)
    store.record([result(mine, Outcome.ACCEPTED, I.ACCEPT, provider_message_id="m1")], now=NOW)
    assert store.record([result(mine, Outcome.NOT_ACCEPTED, I.RETRY)], now=NOW) == {}
    assert status(store, work.id) is EnvelopeStatus.ACCEPTED


def test_the_sweep_gets_what_is_due_once_and_again_after_a_while(store: Store) -> None:
    work = stored(store)
    due = NOW + timedelta(seconds=60)
    again = due + timedelta(seconds=600)
    assert woken(store, limit=10, now=due - timedelta(seconds=1), again_at=again) == []
    assert [d.id for d in woken(store, limit=10, now=due, again_at=again)] == [work.id]
    assert woken(store, limit=10, now=due, again_at=again) == []
    assert [d.request_id for d in woken(store, limit=10, now=again, again_at=again)] == ["req-1"]


def test_the_sweep_is_bounded_and_takes_the_longest_waiting_first(store: Store) -> None:
    late = stored(store, wake_at=NOW + timedelta(seconds=2))
    early = stored(store, wake_at=NOW + timedelta(seconds=1))
    then = NOW + timedelta(seconds=9)
    assert [d.id for d in woken(store, limit=1, now=then, again_at=LEASE)] == [early.id]
    assert [d.id for d in woken(store, limit=1, now=then, again_at=LEASE)] == [late.id]


def test_two_sweeps_at_once_share_the_work(store: Store) -> None:
    expected = {stored(store).id for _ in range(40)}
    found: list[str] = []
    barrier = threading.Barrier(4)

    def sweep() -> None:
        barrier.wait()
        for _ in range(4):
            found.extend(
                d.id
                for d in store.wake(
                    lane=Lane.TRANSACTIONAL,
                    limit=5,
                    now=LEASE + timedelta(seconds=60),
                    again_at=NOW + timedelta(days=1),
                )
            )

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found))
    assert set(found) <= expected


def test_what_is_at_rest_is_never_woken(store: Store) -> None:
    _, mine = claimed(store)
    store.record([result(mine, Outcome.ACCEPTED, I.ACCEPT)], now=NOW)
    assert woken(store, limit=10, now=NOW + timedelta(days=365), again_at=LEASE) == []


def test_a_claim_is_woken_when_its_lease_is_over(store: Store) -> None:
    work = stored(store)
    store.claim([claim_for(work)], now=NOW)
    assert woken(store, limit=10, now=LEASE - timedelta(seconds=1), again_at=LEASE) == []
    assert [d.id for d in woken(store, limit=10, now=LEASE, again_at=LEASE + timedelta(days=1))] == [work.id]


def open_breaker(store: Store, *, until: datetime, scope: str = "") -> Breaker:
    _, mine = claimed(store)
    breaker = Breaker(provider="sendgrid", scope=scope, open_until=until, reason="401")
    store.record([replace(result(mine, Outcome.NOT_ACCEPTED, I.RETRY), opened=(breaker,))], now=NOW)
    return breaker


def test_an_open_breaker_is_seen_by_everybody_and_opening_it_again_prolongs_it(store: Store) -> None:
    open_breaker(store, until=NOW + timedelta(seconds=60))
    longer = open_breaker(store, until=NOW + timedelta(seconds=90))
    assert stored(store).breakers == (longer,)


def test_a_breaker_past_its_time_is_probed_by_one_mail_only(store: Store) -> None:
    breaker = open_breaker(store, until=NOW)
    one, two = stored(store), stored(store)
    assert store.claim([claim_for(one, probes=(breaker,))], now=NOW) == {one.id}
    assert store.claim([claim_for(two, probes=(breaker,))], now=NOW) == set()
    after = store.load([two.id])[two.id]
    assert (after.status, after.attempts) == (EnvelopeStatus.QUEUED, ()), "and the other stays as it was"
    assert after.breakers[0].open_until == LEASE


def test_an_envelope_that_is_gone_does_not_spend_the_probe(store: Store) -> None:
    _, gone = claimed(store)
    store.record([result(gone, Outcome.ACCEPTED, I.ACCEPT)], now=NOW)
    breaker = open_breaker(store, until=NOW)
    store.claim([replace(gone, probes=(breaker,))], now=NOW)
    assert stored(store).breakers == (breaker,)


def test_a_probe_that_succeeds_closes_the_breaker(store: Store) -> None:
    breaker = open_breaker(store, until=NOW)
    work = stored(store)
    mine = claim_for(work, probes=(breaker,))
    store.claim([mine], now=NOW)
    store.record([replace(result(mine, Outcome.ACCEPTED, I.ACCEPT), closed=(breaker,))], now=NOW)
    assert stored(store).breakers == ()


def test_another_projects_message_is_not_shown(store: Store) -> None:
    work = stored(store)
    assert store.view(work.id, project_id="other") is None
    assert store.view(ids.new(), project_id="default") is None


def test_the_migrations_lead_to_exactly_the_tables_of_the_code(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    assert store.revision() == migrate.head()
    with store.database.read() as connection, warnings.catch_warnings():
        # SQLAlchemy cannot read an index on an expression back from SQLite; on PostgreSQL it is compared.
        warnings.filterwarnings("ignore", message=".*expression-based index")
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_twice_is_harmless(store: Store) -> None:
    migrate.upgrade(store.database)
    assert store.revision() == migrate.head()


def test_a_database_that_is_down_is_said_so_without_its_address() -> None:
    down = Store(Database("postgresql+psycopg://secret:secret@127.0.0.1:1/nothing"))
    with pytest.raises(StoreUnavailable) as caught:
        down.load([ids.new()])
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_naive_time_is_refused(store: Store) -> None:
    with pytest.raises(sa.exc.StatementError, match="naive"):
        stored(store, expires_at=datetime(2026, 1, 1))  # noqa: DTZ001 -- the point


def test_a_death_is_noted_once_and_moves_only_what_is_as_it_was_seen(store: Store) -> None:
    work = stored(store)
    fail = Move(id=work.id, input=I.FAIL, reason="dead_letter: rejected", seen=0)
    first, second, third = (ids.new() for _ in range(3))
    assert store.bury(work.id, note_id=first, reason="rejected", move=None, now=NOW) is False
    assert store.bury(work.id, note_id=first, reason="rejected", move=None, now=NOW) is None
    assert store.deaths(work.id) == 1
    stale = replace(fail, seen=1)
    assert store.bury(work.id, note_id=second, reason="rejected", move=stale, now=NOW) is False
    assert store.bury(work.id, note_id=third, reason="rejected", move=fail, now=NOW) is True
    assert (store.deaths(work.id), status(store, work.id)) == (3, EnvelopeStatus.FAILED)
