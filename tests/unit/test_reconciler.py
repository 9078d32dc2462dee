"""What webhooks lost is read back: over HTTP, from where it was read last, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
import sqlalchemy as sa

from mailer import ids
from mailer.errors import StoreUnavailable
from mailer.event import Quarantined
from mailer.providers import mailgun_source, registry, sendgrid_source
from mailer.source import Cursor
from mailer.store import Store
from mailer.store.hearing import HearingStore
from mailer.store.tables import events, projects
from mailer.suppression import Reason
from tests.factories import NOW
from tests.unit.reading import Place
from tests.unit.sandbox.sending import send
from tests.unit.suppressing import known, lift, suppress

EVENTS = ("mailgun", "events")


def count(store: Store) -> int:
    with store.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(events)).scalar_one()


def test_states_are_right_after_one_reading_though_no_webhook_came(place: Place) -> None:
    sent = place.send("mailgun", "bob@example.com", "bounce@example.com", "complaint@example.com", "drop@example.com")
    place.until_happened(8)
    reading = place.poll()[EVENTS]
    assert place.states(sent) == ["delivered", "bounced", "complained", "rejected"]
    assert (reading.events, reading.new_events, reading.next, reading.failure) == (8, 8, None, None)


def test_what_was_read_is_read_again_for_a_while_and_is_no_news(place: Place) -> None:
    place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    assert place.poll()[EVENTS].new_events == 2
    again = place.poll()[EVENTS]
    assert (again.events, again.new_events, count(place.store)) == (2, 0, 2)
    place.ahead = timedelta(minutes=31)
    assert place.poll()[EVENTS].events == 2, "the overlap reaches back from the last reading's end"
    assert place.poll()[EVENTS].events == 0


def test_what_a_webhook_has_told_is_not_told_twice(place: Place) -> None:
    [id] = place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    [told] = [e for e in place.poll_only_looking() if e.type == "delivered"]
    HearingStore(place.store.database).take(ids.new(), [told], [], now=place.now())
    reading = place.poll()[EVENTS]
    assert (reading.events, reading.new_events, count(place.store)) == (2, 1, 2)
    assert place.states([id]) == ["delivered"]


def test_a_long_reading_goes_on_where_the_last_run_stopped(place: Place) -> None:
    sent = place.send("mailgun", *(f"{n}@example.com" for n in range(160)))
    place.until_happened(320)
    first = place.poll(pages=1)[EVENTS]
    assert (first.pages, first.events, first.next is None) == (1, 300, False)
    assert place.reading.cursor(*EVENTS) != Cursor(read_until=NOW), "known to whoever reads next"
    second, third = (place.poll(pages=1)[EVENTS] for _ in range(2))
    assert (second.events, third.events, third.next) == (20, 0, None)
    assert set(place.states(sent)) == {"delivered"}


def test_one_reads_at_a_time_and_whoever_died_reading_is_not_waited_for_long(place: Place) -> None:
    now = place.now()
    assert place.reading.begin("mailgun", turn_id=ids.new(), until=now + timedelta(minutes=2), now=now)
    assert {provider for provider, _ in place.poll()} == {"sendgrid"}
    place.ahead = timedelta(minutes=3)
    assert {provider for provider, _ in place.poll()} == {"sendgrid", "mailgun"}


def test_who_has_lost_the_turn_reads_no_further(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    monkeypatch.setattr(place.reading, "hold", lambda *_, **__: False)
    assert place.poll()[EVENTS].pages == 1
    assert place.reading.cursor(*EVENTS) is None


def test_a_provider_that_asks_for_a_pause_gets_it_and_is_read_on_after_it(place: Place) -> None:
    sent = place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    place.box.fail("mailgun", status=429, retry_after=30)
    failed = place.poll()
    assert [r.failure.code for r in failed.values() if r.failure] == ["429"]
    assert ("sendgrid", "bounces") in failed, "the others are read all the same"
    place.box.mend()
    assert "mailgun" not in {provider for provider, _ in place.poll()}
    place.ahead = timedelta(seconds=31)
    assert place.poll()[EVENTS].new_events == 2
    assert place.states(sent) == ["delivered"]
    [mailgun, _] = place.reading.turns()
    assert (mailgun.error, mailgun.failing_since) == (None, None)


@pytest.mark.parametrize("fault", [{"mode": "refuse"}, {"mode": "reset"}, {"status": 500}, {"status": 401}])
def test_a_provider_that_is_away_is_asked_once_a_run_until_it_is_back(place: Place, fault: dict[str, object]) -> None:
    place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    place.box.fail("mailgun", **fault)
    assert [source for provider, source in place.poll() if provider == "mailgun"] == ["events"]
    [mailgun, _] = place.reading.turns()
    assert mailgun.error is not None
    assert mailgun.failing_since is not None
    place.box.mend()
    assert place.poll()[EVENTS].new_events == 2


def test_a_database_that_goes_away_in_the_middle_costs_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = place.send("mailgun", "bob@example.com")
    place.until_happened(2)

    def away(*_: object, **__: object) -> list[str]:
        raise StoreUnavailable("away")

    for name in ("take", "end"):
        with monkeypatch.context() as broken:
            broken.setattr(place.reading, name, away)
            if name == "take":
                with pytest.raises(StoreUnavailable):
                    place.poll()
            else:
                place.poll()
    assert "mailgun" not in {provider for provider, _ in place.poll()}, "whoever died there still holds its turn"
    place.ahead = timedelta(minutes=3)
    assert place.poll()[EVENTS].events == 2
    assert place.states(sent) == ["delivered"]


def test_a_page_that_the_provider_knows_no_more_is_begun_anew(place: Place) -> None:
    place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    now, turn = place.now(), ids.new()
    place.reading.begin("mailgun", turn_id=turn, until=now, now=now)
    lost = Cursor(read_until=now - timedelta(hours=1), span=None, page="bm8gcGFnZQ")
    place.reading.hold("mailgun", turn_id=turn, until=now, source="events", cursor=lost)
    assert place.poll()[EVENTS].failure is not None
    assert place.poll()[EVENTS].new_events == 2


def test_what_is_no_event_is_put_aside_and_told_of_once_however_often_it_is_read(place: Place) -> None:
    bad = Quarantined(provider="mailgun", reason="has no id", raw='{"event": "x"}')
    assert [place.reading.put_aside([bad, bad], now=place.now()) for _ in range(2)] == [1, 0]


def test_by_hand_everything_since_a_time_is_read_whatever_was_read_before(place: Place) -> None:
    place.send("mailgun", "bob@example.com")
    place.until_happened(2)
    place.poll(overlap=0)
    since = place.now() - timedelta(minutes=5)
    looked = [*place.reconciler().read(since=since, provider="mailgun", store=False)]
    assert {r.source: (r.events, r.new_events) for r in looked}["events"] == (2, 0)
    assert {r.provider for r in looked} == {"mailgun"}


def test_by_hand_it_can_be_tried_without_storing_anything(place: Place) -> None:
    [id] = place.send("mailgun", "bounce@example.com")
    place.until_listed("mailgun", "bounces", "bounce@example.com")
    since = place.now() - timedelta(minutes=5)
    for store, found in ((False, 2), (True, 2), (True, 0)):
        readings = [*place.reconciler().read(since=since, store=store)]
        assert sum(r.new_events for r in readings) == found
        assert sum(r.new_listed for r in readings) == (0 if store else 1), "its event has taught it by then"
    assert place.states([id]) == ["bounced"]


def test_by_hand_one_waits_for_whoever_reads_and_then_says_so(place: Place) -> None:
    now = place.now()
    for provider in ("mailgun", "sendgrid"):
        place.reading.begin(provider, turn_id=ids.new(), until=now + timedelta(minutes=9), now=now)
    readings = [*place.reconciler().read(since=now)]
    assert [r.failure.code for r in readings if r.failure] == ["busy", "busy"]
    assert sum(place.naps) == 120


@pytest.mark.parametrize(
    ("provider", "address", "path", "reason"),
    [
        ("sendgrid", "bounce@example.com", "bounces", Reason.BOUNCED),
        ("sendgrid", "complaint@example.com", "spam_reports", Reason.COMPLAINED),
        ("sendgrid", "unsubscribe@example.com", "unsubscribes", Reason.UNSUBSCRIBED),
        ("mailgun", "bounce@example.com", "bounces", Reason.BOUNCED),
        ("mailgun", "complaint@example.com", "complaints", Reason.COMPLAINED),
        ("mailgun", "unsubscribe@example.com", "unsubscribes", Reason.UNSUBSCRIBED),
    ],
)
def test_whom_a_provider_lists_is_suppressed_in_the_project_that_mailed_it(
    place: Place, provider: str, address: str, path: str, reason: Reason
) -> None:
    place.send(provider, address)
    place.until_listed(provider, path, address)
    place.ahead = timedelta(minutes=2)
    since = place.now() - timedelta(hours=1)
    sources = [r.source for r in place.reconciler().read(since=since, store=False) if r.new_listed]
    assert sources == [path]
    place.forget_events()
    place.poll()
    [found] = known(place.store)
    assert (found.email, found.reason, found.stream, found.source) == (address, reason, "", provider)
    assert address not in found.detail


def test_who_has_unsubscribed_a_moment_ago_is_left_to_the_webhook_which_knows_from_what(place: Place) -> None:
    place.send("sendgrid", "unsubscribe@example.com")
    place.until_listed("sendgrid", "unsubscribes", "unsubscribe@example.com")
    assert place.poll()["sendgrid", "unsubscribes"].new_listed == 0
    place.ahead = timedelta(seconds=90)
    assert place.poll()["sendgrid", "unsubscribes"].new_listed == 1


def test_nobody_is_suppressed_whom_no_project_has_mailed_but_in_tests(place: Place) -> None:
    person: dict[str, object] = {"personalizations": [{"to": [{"email": "bounce@example.com"}]}]}
    with requests.Session() as session:
        send(session, place.box, "sendgrid", **person)
    place.send("sendgrid", "bounce@example.com", test=True)
    place.until_listed("sendgrid", "bounces", "bounce@example.com")
    reading = place.poll()["sendgrid", "bounces"]
    assert (reading.listed, reading.new_listed, known(place.store)) == (1, 0, [])


def test_of_two_projects_the_one_that_mailed_last_is_the_one(place: Place) -> None:
    with place.store.database.write() as connection:
        connection.execute(sa.insert(projects).values(id="shop", created_at=place.now(), from_domains=[]))
    place.send("sendgrid", "bounce@example.com", project="shop")
    place.send("sendgrid", "bounce@example.com")
    place.send("sendgrid", "bounce+2@example.com", project="shop")
    place.until_listed("sendgrid", "bounces", "bounce@example.com", "bounce+2@example.com")
    place.poll()
    found = [(s.project_id, s.email) for p in ("default", "shop") for s in known(place.store, project_id=p)]
    assert found == [("default", "bounce@example.com"), ("shop", "bounce+2@example.com")]


def test_a_bounce_is_about_the_address_and_an_unsubscribe_about_the_project_that_learnt_of_it(place: Place) -> None:
    with place.store.database.write() as connection:
        connection.execute(sa.insert(projects).values(id="shop", created_at=place.now(), from_domains=[]))
    people = ("bounce@example.com", "unsubscribe@example.com")
    for address, reason in zip(people, (Reason.BOUNCED, Reason.UNSUBSCRIBED), strict=True):
        suppress(
            place.store, address, reason, stream="news" if reason is Reason.UNSUBSCRIBED else "", project_id="shop"
        )
    place.send("sendgrid", *people)
    place.until_listed("sendgrid", "bounces", people[0])
    place.until_listed("sendgrid", "unsubscribes", people[1])
    place.ahead = timedelta(minutes=2)
    place.poll()
    assert [s.email for s in known(place.store)] == [people[0]]


def test_what_was_lifted_here_stays_lifted_though_the_provider_still_lists_it(place: Place) -> None:
    place.send("sendgrid", "bounce@example.com")
    place.until_listed("sendgrid", "bounces", "bounce@example.com")
    place.poll()
    [found] = known(place.store)
    assert lift(place.store, found, now=place.now())
    assert place.poll()["sendgrid", "bounces"].listed == 1
    assert known(place.store) == []


def test_lists_that_know_no_time_are_read_once_an_hour(place: Place) -> None:
    assert ("mailgun", "bounces") in place.poll()
    assert ("mailgun", "bounces") not in place.poll()
    place.ahead = timedelta(minutes=61)
    assert ("mailgun", "bounces") in place.poll()


def test_every_page_of_a_list_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailgun_source, "_ADDRESSES_A_PAGE", 2)
    monkeypatch.setattr(sendgrid_source, "_A_PAGE", 2)
    for provider in registry.NAMES:
        theirs = [f"bounce+{provider}{n}@example.com" for n in range(5)]
        place.send(provider, *theirs)
        place.until_listed(provider, "bounces", *theirs[-2:])
    place.forget_events()
    readings = place.poll()
    assert [readings[name, "bounces"].listed for name in registry.NAMES] == [5, 5]
    assert len(known(place.store)) == 10
