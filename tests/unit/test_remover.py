"""What was lifted here is lifted at the providers too, over HTTP, until each has said yes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mailer.pace import Pace
from mailer.store import Store
from mailer.store.tables import suppression_removals
from mailer.suppression import Reason
from tests.unit.reading import Place
from tests.unit.suppressing import lift, suppress

LISTS = {
    Reason.BOUNCED: ("bounce@example.com", "bounces", "bounces"),
    Reason.COMPLAINED: ("complaint@example.com", "spam_reports", "complaints"),
    Reason.UNSUBSCRIBED: ("unsubscribe@example.com", "unsubscribes", "unsubscribes"),
}


def lifted(place: Place, email: str, reason: Reason = Reason.BOUNCED, *, test: bool = False) -> None:
    """Suppress and lift an address."""
    assert lift(place.store, suppress(place.store, email, reason, test=test), now=place.now())


def row(store: Store) -> Any:
    with store.database.read() as connection:
        return connection.execute(sa.select(suppression_removals)).one()


@pytest.mark.parametrize("reason", LISTS)
def test_whoever_was_lifted_is_on_no_list_of_that_reason_any_more(place: Place, reason: Reason) -> None:
    address, sendgrid, mailgun = LISTS[reason]
    for provider, path in (("sendgrid", sendgrid), ("mailgun", mailgun)):
        place.send(provider, address)
        place.until_listed(provider, path, address)
    lifted(place, address, reason)
    assert place.remover().work(limit=10) == 1
    assert place.listed("sendgrid", sendgrid) == place.listed("mailgun", mailgun) == []
    assert place.remover().work(limit=10) == 0, "once"


def test_a_block_does_not_stand_in_the_way_of_one_who_is_lifted(place: Place) -> None:
    place.send("sendgrid", "block@example.com")
    place.until_listed("sendgrid", "blocks", "block@example.com")
    lifted(place, "block@example.com")
    place.remover().work(limit=10)
    assert place.listed("sendgrid", "blocks") == []


def test_one_that_no_provider_lists_is_done_at_once(place: Place) -> None:
    lifted(place, "bob@example.com")
    assert place.remover().work(limit=10) == 1
    assert (row(place.store).last_error, row(place.store).attempts) == (None, 0)


def test_what_was_suppressed_for_test_messages_concerns_no_provider(place: Place) -> None:
    lifted(place, "bob@example.com", test=True)
    place.box.fail("mailgun", mode="refuse")
    assert place.remover().work(limit=10) == 0


@pytest.mark.parametrize("fault", [{"mode": "refuse"}, {"status": 500}, {"status": 404}, {"status": 401}])
def test_a_provider_that_did_not_say_yes_is_asked_again_ever_more_seldom(place: Place, fault: dict[str, Any]) -> None:
    lifted(place, "bob@example.com")
    place.box.fail("mailgun", **fault)
    pauses: list[timedelta] = []
    for _ in range(4):
        assert place.remover().work(limit=10) == 0
        assert place.remover().work(limit=10) == 0, "not before its time"
        assert row(place.store).last_error.startswith("mailgun: ")
        pauses.append(row(place.store).next_at - place.now())
        place.ahead += pauses[-1] + timedelta(seconds=1)
    assert [round(p.total_seconds() / 30) for p in pauses] == [1, 2, 4, 8]
    place.box.mend()
    assert place.remover().work(limit=10) == 1
    assert row(place.store).done_at is not None


def test_a_provider_that_asks_for_a_pause_gets_it(place: Place) -> None:
    lifted(place, "bob@example.com")
    place.box.fail("sendgrid", status=429, retry_after=600)
    place.remover().work(limit=10)
    assert row(place.store).next_at - place.now() > timedelta(seconds=590)


def test_after_days_it_is_given_up_with_an_alarm(place: Place) -> None:
    lifted(place, "bob@example.com")
    place.box.fail("mailgun", mode="refuse")
    place.ahead = timedelta(days=2, hours=23)
    assert (place.remover().work(limit=10), place.alarms) == (0, [])
    place.ahead = timedelta(days=3, hours=2)
    assert (place.remover().work(limit=10), place.alarms) == (1, ["suppression.not_removed"])
    assert row(place.store).last_error == "mailgun: no_connection"
    assert place.remover().work(limit=10) == 0


def test_each_is_taken_by_one_and_of_one_who_died_by_the_next(place: Place) -> None:
    lifted(place, "bob@example.com")
    now: datetime = place.now()
    taken = place.reading.removals(limit=10, now=now, until=now + timedelta(minutes=10))
    assert len(taken) == 1
    assert place.remover().work(limit=10) == 0
    place.ahead = timedelta(minutes=11)
    assert place.remover().work(limit=10) == 1


def test_no_provider_is_asked_more_often_than_it_should_be() -> None:
    steady, naps = [0.0], []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        steady[0] += seconds

    pace = Pace(5, steady=lambda: steady[0], sleep=sleep)
    for _ in range(3):
        pace.wait("mailgun")
    pace.wait("sendgrid")
    assert naps == pytest.approx([0.2, 0.2])
    steady[0] += 10
    pace.wait("mailgun")
    assert len(naps) == 2, "what was not used is not saved up either"
