"""Suppressions in both databases: stored once, found, listed, lifted; heeded by accept and claim."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mailer import ids, suppression
from mailer.bounce import BounceClass
from mailer.delivery import OnUnknown
from mailer.event import Event, EventType
from mailer.ledger import Answer, Attempt, Claim, Submission
from mailer.store import Store
from mailer.store.blocklist import BlocklistStore
from mailer.store.hearing import HearingStore
from mailer.store.tables import suppression_removals
from mailer.suppression import Reason
from mailer.view import Place
from tests.factories import NOW, message
from tests.unit import suppressing
from tests.unit.suppressing import known, lift, suppress


def submission(**fields: object) -> Submission:
    return Submission(
        id=ids.new(), project_id="default", request_id="r", message=message(**fields), on_unknown=OnUnknown.FAILOVER,
        created_at=NOW, expires_at=NOW + timedelta(days=1), wake_at=NOW,
    )  # fmt: skip


def claim(store: Store, id: str) -> Claim:
    """Return the claim that a worker makes of what it reads now."""
    work = store.load([id])[id]
    attempt = Attempt(
        id=ids.new(), number=len(work.attempts) + 1, round=0, provider="p", started_at=NOW, lease_until=NOW
    )
    return Claim(
        id=id, project_id=work.project_id, request_id="r", created_at=NOW, route=("p",), seen=len(work.attempts),
        attempt=attempt, test=work.test, emails=tuple(r.address.key for r in work.recipients),
        bars=suppression.in_the_way(work.message),
    )  # fmt: skip


def test_many_messages_are_each_checked_for_themselves(store: Store) -> None:
    suppress(store, "a@example.com", Reason.UNSUBSCRIBED, stream="news")
    given = [
        submission(to=["a@example.com", "b@example.com"], lane="bulk", stream="news"), submission(to="a@example.com"),
        submission(to="A@EXAMPLE.com", lane="bulk", stream="news"),
        submission(to="a@example.com", lane="bulk", stream="news", ignore_suppressions=True),
    ]  # fmt: skip
    store.submit(given)
    works = store.load([s.id for s in given])
    assert [works[s.id].status for s in given] == ["queued", "queued", "failed", "queued"]
    assert [len(works[s.id].recipients) for s in given] == [1, 1, 0, 1]
    assert [len([*works[s.id].message.recipients()]) for s in given] == [2, 1, 1, 1], "the message stays as it was"


@pytest.mark.parametrize("reason", Reason)
def test_a_claim_fails_whose_call_would_name_somebody_suppressed_since(store: Store, reason: Reason) -> None:
    s = submission(to=["a@example.com", "B@example.com"], lane="bulk")
    store.submit([s])
    late = claim(store, s.id)
    suppress(store, "b@example.com", reason)
    assert store.claim([late], now=NOW) == set()
    work = store.load([s.id])[s.id]
    assert [(b.position, b.reason) for b in work.barred] == [(1, reason)]
    assert store.suppress(s.id, work.barred, seen=0, now=NOW)
    assert store.load([s.id])[s.id].barred == ()
    assert store.claim([claim(store, s.id)], now=NOW) == {s.id}


def test_nobody_is_marked_while_a_call_names_them(store: Store) -> None:
    s = submission(to="a@example.com")
    store.submit([s])
    mine = claim(store, s.id)
    suppress(store, "a@example.com")
    barred = store.load([s.id])[s.id].barred
    store.claim([replace(mine, bars=frozenset())], now=NOW)
    assert not store.suppress(s.id, barred, seen=0, now=NOW)


def test_the_same_again_stays_as_it_was(store: Store) -> None:
    first = suppress(store, "a@example.com", detail="the first")
    held: list[tuple[str, bool]] = []

    def render(found: suppression.Suppression, new: bool) -> Answer:
        held.append((found.id, new))
        return suppressing.YES

    blocklist = BlocklistStore(store.database)
    for stream in ("", "news"):
        blocklist.add(suppressing.suppression("a@example.com", stream=stream), asked=None, render=render)
    assert held[0] == (first.id, False)
    assert held[1][1]


def test_lifting_has_the_providers_forget_it_too_but_not_what_only_tests_knew(store: Store) -> None:
    live, test = suppress(store, "a@example.com", Reason.BOUNCED), suppress(store, "a@example.com", test=True)
    for held in (live, test):
        assert lift(store, held)
        assert not lift(store, held)
    with store.database.read() as connection:
        [removal] = connection.execute(sa.select(suppression_removals)).all()
    assert (removal.email, removal.reason, removal.next_at, removal.attempts) == ("a@example.com", "bounced", NOW, 0)
    assert known(store) == known(store, test=True) == []


def test_a_walk_sees_all_of_one_moment_once(store: Store) -> None:
    many = [suppressing.suppression(f"n{n}@{'x' if n % 3 else 'y'}.example") for n in range(2_500)]
    counted: list[int] = []

    def render(new: int) -> Answer:
        counted.append(new)
        return suppressing.YES

    BlocklistStore(store.database).add_many([*many, *many[:10]], asked=None, render=render)
    assert counted == [2_500]
    seen: list[str] = []
    place: Place | None = None
    while page := known(store, after=place, limit=700):
        seen += [s.id for s in page]
        place = Place(created_at=page[-1].created_at, id=page[-1].id)
    assert sorted(seen) == sorted(s.id for s in many)
    assert len(known(store, domain="y.example", limit=2_000)) == 834
    assert [s.email for s in known(store, email="n7@x.example")] == ["n7@x.example"]
    assert known(store, reason=Reason.BOUNCED) == known(store, stream="news") == known(store, project_id="b") == []


def test_two_webhooks_at_once_count_both_of_their_bounces(store: Store) -> None:
    """Five mails bounce, each told by a webhook of its own, all at once: none misses the others."""
    given = [submission(to="a@example.com") for _ in range(5)]
    store.submit(given)
    told = [
        Event(
            type=EventType.BOUNCED, provider="p", provider_event_id=s.id, occurred_at=NOW, raw_type="x",
            envelope_id=s.id, recipient="a@example.com", permanent=False, bounce_class=BounceClass.MAILBOX_FULL,
        )
        for s in given
    ]  # fmt: skip
    hearing = HearingStore(store.database)
    threads = [threading.Thread(target=hearing.take, args=(ids.new(), [e], []), kwargs={"now": NOW}) for e in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [s.reason for s in known(store)] == [Reason.BOUNCED]
