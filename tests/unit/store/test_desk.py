"""What the command line reads and writes in the store, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mailer import ids
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane
from mailer.ledger import Breaker, Work
from mailer.outcome import Outcome
from mailer.replay import Order, Wanted
from mailer.standstill import Kind, Stillness
from mailer.store import Store
from mailer.store.desk import Records
from mailer.store.tables import dead_calls, metadata
from mailer.story import tell
from mailer.view import MessageView
from tests.factories import NOW, message
from tests.unit.store.test_store import LEASE, claim_for, claimed, open_breaker, result, stored

I = EnvelopeInput  # noqa: E741 -- a table is read more easily in single letters
LATER = NOW + timedelta(hours=2)
ORDER = Order(who="ann", why="outage is over", deadline=lambda _: 86_400)


@pytest.fixture
def records(store: Store) -> Records:
    """Give the operator's transactions over that store."""
    return Records(store.database)


def rested(store: Store, move: EnvelopeInput, outcome: Outcome = Outcome.NOT_ACCEPTED, **changed: Any) -> Work:
    """Return an envelope that came to rest after one attempt."""
    made = {name: changed.pop(name) for name in ("message", "expires_at", "request_id") if name in changed}
    work = stored(store, **made)
    mine = claim_for(work, provider=changed.pop("provider", "sendgrid"))
    at = changed.pop("at", NOW)
    store.claim([mine], now=NOW)
    store.record([result(mine, outcome, move, **changed)], now=at)
    return store.load([work.id])[work.id]


def replayed(records: Records, limit: int = 100, **wanted: Any) -> list[str]:
    return records.replay(Wanted(**wanted), ORDER, limit=limit, now=LATER)


def view(store: Store, id: str) -> MessageView:
    found = store.view(id, project_id="default")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("move", "outcome"), [(I.FAIL, Outcome.REJECTED), (I.EXPIRE, Outcome.NOT_ACCEPTED), (I.GIVE_UP, Outcome.UNKNOWN)]
)
def test_what_rests_is_put_back_with_its_recipients_and_wakes_at_once(
    store: Store, records: Records, move: EnvelopeInput, outcome: Outcome
) -> None:
    work = rested(store, move, outcome)
    assert replayed(records, allow_duplicates=True) == [work.id]
    after = view(store, work.id)
    assert (after.status, after.reason, after.next_attempt_at) == (EnvelopeStatus.QUEUED, None, LATER)
    assert {r.status for r in after.recipients} == {"queued"}
    assert [
        d.id for d in store.wake(lane=Lane.TRANSACTIONAL, limit=9, now=LATER, again_at=LATER + timedelta(hours=1))
    ] == [work.id]
    [again] = [claim_for(store.load([work.id])[work.id], provider="mailgun")]
    assert store.claim([again], now=LATER) == {work.id}
    assert again.attempt.possible_duplicate is (outcome is Outcome.UNKNOWN)


def test_it_is_written_down_who_did_it_and_why_with_addresses_masked(store: Store, records: Records) -> None:
    work = rested(store, I.FAIL, error_code="400")
    order = Order(who="ann", why="bob@example.com asked for it", deadline=lambda _: 86_400)
    records.replay(Wanted(), order, limit=9, now=LATER)
    [note] = records.stories_of_id(work.id)[0][0].notes
    assert (note.kind, note.at) == ("replayed", LATER)
    assert note.detail == "by ann, was failed (400): b***@example.com asked for it"


def test_what_was_accepted_is_under_way_or_waits_for_news_is_never_replayed(store: Store, records: Records) -> None:
    rested(store, I.ACCEPT, Outcome.ACCEPTED)
    rested(store, I.WAIT, Outcome.UNKNOWN, next_attempt_at=LATER, wake_at=LATER)
    rested(store, I.WAIT, Outcome.UNKNOWN, next_attempt_at=LATER)
    stored(store)
    claimed(store)
    assert replayed(records, allow_duplicates=True) == []
    assert records.plan(Wanted(allow_duplicates=True)).total == 0


def test_one_that_a_provider_may_have_taken_is_left_out_unless_duplicates_are_allowed(
    store: Store, records: Records
) -> None:
    doubtful, clear = rested(store, I.GIVE_UP, Outcome.UNKNOWN), rested(store, I.FAIL, error_code="400")
    plan = records.plan(Wanted())
    assert (plan.total, plan.possible_duplicates, plan.left_out) == (1, 0, 1)
    assert replayed(records) == [clear.id]
    plan = records.plan(Wanted(allow_duplicates=True))
    assert (plan.total, plan.possible_duplicates, plan.left_out) == (1, 1, 0)
    assert replayed(records, allow_duplicates=True) == [doubtful.id]


@pytest.mark.parametrize(
    "wanted",
    [
        {"statuses": (EnvelopeStatus.FAILED,)}, {"provider": "mailgun"}, {"error": "550"}, {"error": "gone"},
        {"since": NOW + timedelta(minutes=1)},
    ],
    ids=str,
)  # fmt: skip
def test_every_filter_finds_the_one_and_not_the_other(store: Store, records: Records, wanted: dict[str, Any]) -> None:
    rested(store, I.EXPIRE, error_code="503")
    mine = rested(store, I.FAIL, provider="mailgun", error_code="550", at=NOW + timedelta(minutes=2))
    with store.database.write() as connection:
        envelopes = metadata.tables["envelopes"]
        connection.execute(sa.update(envelopes).where(envelopes.c.id == mine.id).values(reason="gone"))
    assert records.plan(Wanted(**wanted)).total == 1
    assert replayed(records, **wanted) == [mine.id]


def test_until_and_ids_find_the_older_one(store: Store, records: Records) -> None:
    older = rested(store, I.FAIL)
    rested(store, I.FAIL, at=NOW + timedelta(minutes=2))
    assert [e.id for e in records.plan(Wanted(until=NOW + timedelta(minutes=1))).examples] == [older.id]
    assert replayed(records, ids=(older.id, ids.new())) == [older.id]


def test_batches_are_bounded_and_begin_with_the_longest_resting(store: Store, records: Records) -> None:
    newer, older = rested(store, I.FAIL, at=NOW + timedelta(seconds=1)), rested(store, I.FAIL)
    assert records.plan(Wanted(limit=1)).total == 1
    assert replayed(records, limit=1) == [older.id]
    assert replayed(records, limit=1) == [newer.id]
    assert replayed(records, limit=1) == []


def test_the_plan_counts_by_status_and_last_error(store: Store, records: Records) -> None:
    for code in ("400", "400", "422"):
        rested(store, I.FAIL, Outcome.REJECTED, error_code=code)
    rested(store, I.EXPIRE, error_code="503")
    groups = [(g.status, g.error, g.count) for g in records.plan(Wanted()).groups]
    assert groups == [("failed", "400", 2), ("expired", "503", 1), ("failed", "422", 1)]


def test_one_whose_end_has_passed_or_is_near_gets_its_lanes_time_again_and_others_keep_theirs(
    store: Store, records: Records
) -> None:
    far = LATER + timedelta(days=3)
    over, near, long = (rested(store, I.FAIL, expires_at=at) for at in (NOW, LATER + timedelta(minutes=5), far))
    replayed(records)
    again = LATER + timedelta(seconds=86_400)
    assert [view(store, work.id).expires_at for work in (over, near, long)] == [again, again, far]


def test_a_rejection_of_before_a_replay_does_not_end_the_calls_after_it(store: Store, records: Records) -> None:
    work = rested(store, I.FAIL, Outcome.REJECTED)
    replayed(records)
    again = claim_for(store.load([work.id])[work.id], provider="mailgun")
    store.claim([again], now=LATER)
    assert store.record([result(again, Outcome.NOT_ACCEPTED, I.RETRY)], now=LATER) == {work.id: I.RETRY}


def test_a_late_yes_of_before_a_replay_stops_the_call_that_has_not_gone_out(store: Store, records: Records) -> None:
    work, slow = claimed(store)
    store.record([result(slow, Outcome.UNKNOWN, I.GIVE_UP)], now=NOW)
    replayed(records, allow_duplicates=True)
    assert store.record([result(slow, Outcome.ACCEPTED, I.ACCEPT)], now=LATER) == {work.id: I.ACCEPT}
    assert {r.status for r in view(store, work.id).recipients} == {"accepted"}


def test_two_replays_at_once_move_each_message_once(store: Store, records: Records) -> None:
    expected = {rested(store, I.FAIL).id for _ in range(20)}
    moved: list[str] = []
    barrier = threading.Barrier(3)

    def run() -> None:
        barrier.wait()
        for _ in range(6):
            moved.extend(replayed(records, limit=5))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moved) == len(set(moved))
    assert set(moved) <= expected


# What does not move.


def look(records: Records, *, after: timedelta, limit: int = 5) -> Stillness:
    return records.stillness(limit=limit, now=NOW + after)


def kinds(stillness: Stillness) -> list[tuple[Kind, str | None, int]]:
    return [(s.kind, s.reason, s.count) for s in stillness.standstills]


def test_what_is_under_way_is_not_stuck(store: Store, records: Records) -> None:
    stored(store)
    claimed(store)
    rested(store, I.ACCEPT, Outcome.ACCEPTED)
    found = look(records, after=timedelta(seconds=1))
    assert (found.moving, found.standstills, found.wrong) == (2, (), False)


def test_an_envelope_that_nobody_woke_is_overdue_and_wrong_after_a_minute(store: Store, records: Records) -> None:
    work = stored(store)  # to be woken after 60 s
    found = look(records, after=timedelta(seconds=90))
    assert (kinds(found), found.wrong) == ([(Kind.OVERDUE, None, 1)], False)
    found = look(records, after=timedelta(seconds=121))
    assert found.wrong
    assert [(e.id, e.since) for e in found.examples] == [(work.id, NOW + timedelta(seconds=60))]


def test_a_claim_past_its_lease_is_told_apart_from_a_wake_up_that_was_lost(store: Store, records: Records) -> None:
    claimed(store)
    found = look(records, after=LEASE - NOW + timedelta(seconds=61))
    assert (kinds(found), found.wrong) == ([(Kind.PAST_LEASE, None, 1)], True)


def test_what_waits_says_after_which_error_since_when_and_until_when(store: Store, records: Records) -> None:
    later = NOW + timedelta(minutes=5)
    work = stored(store)
    mine = claim_for(work)
    store.claim([mine], now=NOW)
    done = result(mine, Outcome.NOT_ACCEPTED, I.RETRY, next_attempt_at=later, wake_at=later)
    store.record([replace(done, move=replace(done.move, reason="503"))], now=NOW)
    rested(store, I.WAIT, Outcome.UNKNOWN, next_attempt_at=later, wake_at=later)
    alone = stored(store)
    store.postpone(alone.id, seen=0, until=later, wake_at=later, now=NOW)
    open_breaker(store, until=later)
    found = look(records, after=timedelta(seconds=1))
    assert kinds(found) == [(Kind.RETRY, "503", 1), (Kind.LEFT_ALONE, None, 1), (Kind.NEWS, None, 1)]
    assert {s.until for s in found.standstills} == {later}
    assert {s.oldest_at for s in found.standstills} == {NOW}
    assert found.breakers == (Breaker(provider="sendgrid", scope="", open_until=later, reason="401"),)
    assert not found.wrong, "all of that mends itself"


def test_what_rests_as_unknown_and_what_died_on_the_broker_want_a_person(store: Store, records: Records) -> None:
    rested(store, I.GIVE_UP, Outcome.UNKNOWN)
    rested(store, I.FAIL)
    assert kinds(look(records, after=timedelta(days=9))) == [(Kind.RESTING, None, 1)], "what failed has been decided"
    bury(store)
    found = look(records, after=timedelta(days=9))
    assert kinds(found) == [(Kind.RESTING, None, 1), (Kind.DEAD, "rejected", 1)]
    assert all(s.wrong for s in found.standstills)


def test_examples_are_bounded_for_each_kind(store: Store, records: Records) -> None:
    for _ in range(4):
        stored(store)
        rested(store, I.GIVE_UP, Outcome.UNKNOWN)
    found = look(records, after=timedelta(hours=1), limit=3)
    assert [s.count for s in found.standstills] == [4, 4]
    assert [e.kind for e in found.examples] == [Kind.OVERDUE] * 3 + [Kind.RESTING] * 3


def test_what_its_time_has_come_for_and_nobody_takes_is_a_backlog(store: Store, records: Records) -> None:
    work = stored(store, wake_at=NOW + timedelta(hours=1))
    assert look(records, after=timedelta(seconds=59)).standstills == ()
    found = look(records, after=timedelta(seconds=61))
    assert (kinds(found), found.wrong) == ([(Kind.BACKLOG, None, 1)], False)
    assert [e.id for e in found.examples] == [work.id]


# The story of one.


def bury(store: Store, **changed: Any) -> str:
    values: dict[str, Any] = {
        "id": ids.new(), "project_id": "default", "request_id": "req-9", "reason": "rejected", "died_at": NOW,
        "call": {"to": ["bob@example.com"]},
    }  # fmt: skip
    values |= changed
    with store.database.write() as connection:
        connection.execute(sa.insert(dead_calls).values(values))
    id: str = values["id"]
    return id


def test_a_story_is_told_in_order_of_time_and_ends_where_it_rests(store: Store, records: Records) -> None:
    work = rested(store, I.FAIL, Outcome.REJECTED, error_code="400", status_code=400, error="no such field")
    replayed(records)
    again, after = claim_for(store.load([work.id])[work.id], provider="mailgun"), LATER + timedelta(seconds=1)
    again = replace(again, attempt=replace(again.attempt, started_at=after, lease_until=after + timedelta(seconds=45)))
    store.claim([again], now=after)
    store.record([result(again, Outcome.ACCEPTED, I.ACCEPT)], now=LATER + timedelta(seconds=2))
    [story], _ = records.stories_of_id(work.id)
    lines = tell(story, now=LATER + timedelta(seconds=3))
    assert [line.kind for line in lines] == ["accepted", "attempt", "pause", "replayed", "attempt", "rests"]
    assert "to b***@example.com" in lines[0].text
    assert lines[1].text == "1. sendgrid rejected 400 after 5 ms (no such field)"
    assert lines[-1].text == "rests as accepted"


def test_an_overdue_message_says_that_nobody_woke_it_and_a_waiting_one_when_it_goes_on(
    store: Store, records: Records
) -> None:
    work = stored(store)
    [story], _ = records.stories_of_id(work.id)
    assert "nobody woke it for 60.0 s" in tell(story, now=NOW + timedelta(minutes=2))[-1].text
    store.postpone(work.id, seen=0, until=LATER, wake_at=LATER, now=NOW)
    [story], _ = records.stories_of_id(work.id)
    assert tell(story, now=LATER - timedelta(seconds=30))[-1].text == "waits for its next attempt in 30.0 s"


def test_a_request_that_brought_many_messages_shows_the_first_and_how_many_there_are(
    store: Store, records: Records
) -> None:
    mine = [stored(store, request_id="shop-1").id for _ in range(3)]
    stored(store, request_id="shop-2")
    dead = bury(store, request_id="shop-1")
    stories, calls, total = records.stories_of_request("shop-1", limit=2)
    assert [s.message.id for s in stories] == sorted(mine)[:2]
    assert ([d.id for d in calls], total) == ([dead], 3)


def test_a_message_of_any_project_is_found(store: Store, records: Records) -> None:
    work = stored(store, project_id="shop", message=message(subject="x"))
    [story], _ = records.stories_of_id(work.id)
    assert story.message.project_id == "shop"


def test_dead_calls_are_counted_by_reason_and_forgotten_one_by_one(store: Store, records: Records) -> None:
    first = bury(store)
    bury(store, reason="expired", died_at=LATER)
    groups, found = records.dead_calls(Wanted())
    assert [(g.error, g.count) for g in groups] == [("expired", 1), ("rejected", 1)]
    assert found[0] == first
    records.forget([first])
    assert records.dead_call(first) is None
    assert records.dead_calls(Wanted(error="rejected")) == ([], [])
